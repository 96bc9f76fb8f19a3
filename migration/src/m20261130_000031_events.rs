//! An event is of an operation that its actor asked for, has the next number of its organization, and keeps the name that the actor
//! had then. The database itself sees to that, whoever writes.

use super::{class, sql_migration};

sql_migration!("m20261130_000031_events", {
    let mut sql = String::from(SOUND);
    sql.push_str(
        "ALTER FUNCTION app.event_sound() OWNER TO hestami_definer; REVOKE ALL ON FUNCTION app.event_sound() FROM PUBLIC; REVOKE ALL ON FUNCTION app.head_grows() FROM PUBLIC;\n",
    );
    sql.push_str(&class::across());
    sql
});

const SOUND: &str = r"
ALTER TABLE event ADD COLUMN actor_name text;
UPDATE event e SET actor_name = p.display_name FROM principal p WHERE p.id = e.actor;
-- The number of the last event that is there: `event_seq` is the last one that was given out.
ALTER TABLE org_head ADD COLUMN written_seq bigint NOT NULL DEFAULT 0;
UPDATE org_head SET written_seq = event_seq;
GRANT SELECT, UPDATE (written_seq) ON org_head TO hestami_definer;
GRANT SELECT ON operation, principal TO hestami_definer;

CREATE FUNCTION app.event_sound() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  -- Foundings and acceptances are operations of the principal's own scope.
  PERFORM FROM operation o
  WHERE o.organization_id IN (NEW.actor_organization_id, NEW.actor) AND o.id = NEW.operation_id AND o.initiator = NEW.actor;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no operation of this actor says that' USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE org_head SET written_seq = NEW.seq WHERE organization_id = NEW.organization_id AND written_seq = NEW.seq - 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'this is not the next event' USING ERRCODE = 'insufficient_privilege';
  END IF;
  NEW.actor_name := (SELECT p.display_name FROM principal p WHERE p.id = NEW.actor);
  RETURN NEW;
END $$;
-- Numbers are never given out again.
CREATE FUNCTION app.head_grows() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS
$$
BEGIN
  RAISE EXCEPTION 'the number of an event is never given out again' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER head_grows BEFORE UPDATE ON org_head FOR EACH ROW
  WHEN (NEW.event_seq < OLD.event_seq OR NEW.written_seq < OLD.written_seq) EXECUTE FUNCTION app.head_grows();
CREATE TRIGGER event_sound BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION app.event_sound();
";
