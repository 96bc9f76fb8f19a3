use clap::{Parser, Subcommand, ValueEnum};
use schema::{Clock, Role, SystemClock};
use server::{
    Fault,
    config::{Config, Reader},
    contract, denial,
    embedded::Folders,
    rehearsal,
    secrets::Secrets,
    serve::{self, ComeBack},
    telemetry::Telemetry,
    token,
};
use std::{os::unix::process::CommandExt, path::Path, process::ExitCode};

/// Memory is freed here by other threads than those that allocated it, all the time: the C library's allocator makes the threads
/// wait for one another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The Hestami gateway.
#[derive(Parser)]
#[command(name = "hestami", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves; starts PostgreSQL and Cerbos as children where none are named.
    Serve,
    /// Brings a database of one's own up to date (HESTAMI_DATABASE_OWNER_URL).
    Migrate,
    /// Loads the demo into the embedded database and stops.
    Demo,
    /// Prints a development token for someone in a role, or for any subject.
    Token(TokenArguments),
    /// Prints the contract, writes it (--write) or compares it with what is committed (--check).
    Contract {
        #[arg(default_value = "sdl")]
        what: Contract,
        #[arg(long, conflicts_with = "check")]
        write: bool,
        #[arg(long)]
        check: bool,
    },
    /// Blocks a person in the whole deployment, or takes a token back, within a second on every replica.
    Deny(DenyArguments),
    /// Ends a denial.
    Allow(AllowArguments),
    /// Says what is configured, from where, and whether it works.
    CheckConfig,
}

#[derive(Clone, Copy, ValueEnum)]
enum Contract {
    Sdl,
    Openapi,
    Errors,
    Procedures,
}

#[derive(clap::Args)]
struct TokenArguments {
    /// OWNER, CO_OWNER, TRUSTEE, CONCIERGE_STAFF or ADMINISTRATOR.
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    /// The organization's name or id.
    #[arg(long)]
    organization: Option<String>,
    /// Instead of a role: the subject of the token, known or new.
    #[arg(long, conflicts_with_all = ["role", "organization"])]
    subject: Option<String>,
    #[arg(long, requires = "subject")]
    email: Option<String>,
    #[arg(long, requires = "subject")]
    name: Option<String>,
    /// Seconds.
    #[arg(long, default_value_t = 12 * 3_600)]
    lifetime: i64,
    /// Prints what the pages for clients use, as lines for a shell: `eval "$(hestami token --role OWNER --env)"`.
    #[arg(long)]
    env: bool,
}

/// The thing that is denied: by exactly one of them.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// The id of a principal.
    #[arg(long)]
    principal: Option<uuid::Uuid>,
    /// The `jti` of a token.
    #[arg(long)]
    token: Option<String>,
}

#[derive(clap::Args)]
struct DenyArguments {
    #[command(flatten)]
    whom: Whom,
    /// Kept with it.
    #[arg(long)]
    reason: Option<String>,
    /// The hours after which it ends by itself. A token's denial may end with the token.
    #[arg(long)]
    hours: Option<u32>,
}

#[derive(clap::Args)]
struct AllowArguments {
    #[command(flatten)]
    whom: Whom,
}

fn role(text: &str) -> Result<Role, String> {
    let upper = text.to_ascii_uppercase().replace('-', "_");
    Role::parse(&upper)
        .ok_or_else(|| format!("one of {}", Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) if fault.is::<ComeBack>() => {
            // The same process starts anew, with a new id and new connections.
            let failed = std::env::current_exe()
                .map(|program| std::process::Command::new(program).args(std::env::args_os().skip(1)).exec());
            eprintln!("hestami: cannot come back: {failed:?}");
            ExitCode::FAILURE
        }
        Err(fault) => {
            eprintln!("hestami: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Fault> {
    if let Command::Contract { what, write, check } = &command {
        let root = Path::new(".");
        return match (write, check, what) {
            (true, _, _) => contract::write(root),
            (_, true, _) => contract::check(root),
            (_, _, Contract::Sdl) => print(graphql::sdl()),
            (_, _, Contract::Openapi) => print(contract::openapi()),
            (_, _, Contract::Errors) => print(contract::errors()),
            (_, _, Contract::Procedures) => print(contract::procedures()),
        };
    }
    // HTTPS clients that are made later find this provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let reader = Reader::new(std::env::vars());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        match command {
            Command::CheckConfig => check_config(reader).await,
            Command::Serve => serving(reader.finish()?, false).await,
            Command::Demo => serving(reader.finish()?, true).await,
            Command::Migrate => migrate(&reader.finish()?).await,
            Command::Token(arguments) => print_token(&reader.finish()?, arguments).await,
            Command::Deny(DenyArguments { whom, reason, hours }) => {
                let (kind, subject) = whom.denied();
                denial::put(&owner(&reader.finish()?).await?, kind, &subject, reason.as_deref(), hours).await
            }
            Command::Allow(AllowArguments { whom }) => {
                let (kind, subject) = whom.denied();
                match denial::take(&owner(&reader.finish()?).await?, kind, &subject).await? {
                    true => Ok(()),
                    false => Err("nothing like that is denied".into()),
                }
            }
            Command::Contract { .. } => Ok(()),
        }
    })
}

fn print(text: String) -> Result<(), Fault> {
    println!("{}", text.trim_end());
    Ok(())
}

async fn serving(config: Config, only_demo: bool) -> Result<(), Fault> {
    let telemetry = Telemetry::start(&config)?;
    let served = serve::serve(config, &telemetry, only_demo).await;
    telemetry.stop();
    served
}

impl Whom {
    fn denied(self) -> (&'static str, String) {
        match self {
            Whom { principal: Some(id), .. } => ("PRINCIPAL", id.to_string()),
            Whom { token, .. } => ("TOKEN", token.unwrap_or_default()),
        }
    }
}

/// A pool for the owner of the tables, of one's own database or of the embedded one.
async fn owner(config: &Config) -> Result<sqlx::PgPool, Fault> {
    let embedded = || -> Result<String, Fault> {
        let secrets = Secrets::load(&config.data)?;
        let folders = Folders::lay_out(&config.data, &config.servers)?;
        Ok(server::embedded::socket_url(&folders.run, &secrets.database_password, "hestami_owner", serve::DATABASE))
    };
    let url = match (&config.database_owner_url, &config.database_url) {
        (Some(url), _) => url.clone(),
        (None, Some(_)) => return Err("set HESTAMI_DATABASE_OWNER_URL".into()),
        (None, None) => embedded()?,
    };
    token::owner_pool(&url).await.map_err(|problem| format!("{problem}; is `hestami serve` running?").into())
}

async fn migrate(config: &Config) -> Result<(), Fault> {
    let Some(owner) = &config.database_owner_url else {
        return Err("set HESTAMI_DATABASE_OWNER_URL; the embedded database is migrated by `hestami serve`".into());
    };
    match serve::migrate(owner).await?.as_slice() {
        [] => println!("nothing to do"),
        done => println!("applied {}", done.join(", ")),
    }
    Ok(())
}

async fn check_config(reader: Reader) -> Result<(), Fault> {
    for (setting, value, place) in reader.explain() {
        println!("{:<32} {value}  [{place}]", setting.env);
    }
    let config = reader.finish()?;
    for line in serve::check_own_servers(&config).await? {
        println!("{line}");
    }
    if let Some(url) = &config.cerbos_url {
        rehearsal::all(&authz::Cerbos::new(authz::Settings::new(url)).map_err(server::app::told)?).await?;
    }
    println!("the configuration is sound");
    Ok(())
}

async fn print_token(config: &Config, arguments: TokenArguments) -> Result<(), Fault> {
    let secrets = Secrets::load(&config.data)?;
    let owner = match arguments.subject {
        Some(_) => None,
        None => Some(owner(config).await?),
    };
    let wanted = token::Wanted {
        role: arguments.role,
        organization: arguments.organization,
        subject: arguments.subject,
        email: arguments.email,
        name: arguments.name,
        lifetime: arguments.lifetime,
    };
    let issued = token::issue(config, &secrets, owner.as_ref(), wanted, SystemClock.now().timestamp()).await?;
    if let Some((id, name)) = &issued.organization {
        eprintln!("{} in {name}; X-Organization-Id: {id}", issued.subject);
    }
    if !arguments.env {
        println!("{}", issued.token);
        return Ok(());
    }
    println!("export URL='http://{}'\nexport TOKEN='{}'", config.listen, issued.token);
    if let Some((id, _)) = issued.organization {
        println!("export ORGANIZATION='{id}'");
    }
    Ok(())
}
