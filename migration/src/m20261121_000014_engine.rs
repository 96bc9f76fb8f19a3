//! What the engine notes need not wait for the disk. An operation is recorded before its workflow starts, and its outcome
//! commits after that: both wait, and the log on disk is in the order in which it was written, so whatever the engine noted
//! before them is there as well. Only the note that a workflow ended can be lost, with the machine's power; then it is run
//! again, finds its outcome, and ends.

super::sql_migration!("m20261121_000014_engine", "ALTER ROLE hestami_workflow SET synchronous_commit = off".to_owned());
