//! Traces, metrics and logs. All of them go by OTLP to an endpoint, if one is named. Logs always go to the console too, and
//! metrics to `/metrics`.

use crate::{Fault, config::Config};
use opentelemetry::{
    Context, KeyValue, global,
    trace::{Span as _, TracerProvider},
};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    logs::SdkLoggerProvider,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::{SdkTracerProvider, Span, SpanData, SpanProcessor},
};
use schema::Carried;
use std::{io::IsTerminal, time::Duration};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

pub struct Telemetry {
    tracer: SdkTracerProvider,
    meter: SdkMeterProvider,
    logger: Option<SdkLoggerProvider>,
    pub registry: prometheus::Registry,
}

/// Adds to every span of an operation whose it is, who acts, and the thing that it is about.
#[derive(Debug)]
struct Attribution;

impl SpanProcessor for Attribution {
    fn on_start(&self, span: &mut Span, _: &Context) {
        for (name, value) in Carried::here() {
            span.set_attribute(KeyValue::new(name, value));
        }
    }

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The filter of spans: the product's own, and of libraries only warnings, because their debug spans would drown the trace.
const TRACED: &str = "warn,hestami=info,server=info,store=info,schema=info,kind=info,owners=info,entities=info,authz=info,workflows=info,live=info,\
    verbs=info,owner_verbs=info,concierge=info,concierge_verbs=info,resolvers=info,graphql=info,rpc=info,surface=info";

#[test]
fn every_crate_of_the_product_is_traced() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let workspace: toml::Table = std::fs::read_to_string(root.join("Cargo.toml")).expect("a file").parse().expect("TOML");
    for member in workspace["workspace"]["members"].as_array().expect("members") {
        let path = root.join(member.as_str().expect("a path")).join("Cargo.toml");
        let package: toml::Table = std::fs::read_to_string(path).expect("a file").parse().expect("TOML");
        let name = package["package"]["name"].as_str().expect("a name");
        // These crates have no spans of their own, or are not the product.
        let quiet = ["macros", "migration", "queryplan", "suggest", "tests", "bench"].contains(&name);
        assert!(quiet || TRACED.contains(&format!("{name}=info")), "{name}: trace it, or say that it is quiet");
    }
}

impl Telemetry {
    pub fn start(config: &Config) -> Result<Telemetry, Fault> {
        let resource = Resource::builder()
            .with_service_name("hestami-gateway")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let registry = prometheus::Registry::new();
        let mut tracer = SdkTracerProvider::builder().with_resource(resource.clone()).with_span_processor(Attribution);
        let mut meter = SdkMeterProvider::builder()
            .with_resource(resource.clone())
            .with_reader(opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?);
        let mut logger = None;
        if let Some(endpoint) = &config.otlp {
            tracer = tracer.with_batch_exporter(SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?);
            let metrics = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
            meter = meter.with_reader(PeriodicReader::builder(metrics).build());
            let logs = LogExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
            logger = Some(SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(logs).build());
        }
        let (tracer, meter) = (tracer.build(), meter.build());
        global::set_meter_provider(meter.clone());

        let filter = |text: &str| EnvFilter::try_new(text);
        // Spans always have ids, even if they are sent nowhere: every answer carries its trace id.
        let spans = tracing_opentelemetry::layer().with_tracer(tracer.tracer("hestami")).with_filter(filter(TRACED)?);
        let console = if config.log_json {
            tracing_subscriber::fmt::layer()
                .json()
                .with_current_span(true)
                .with_span_list(false)
                .with_writer(std::io::stderr)
                .boxed()
        } else {
            tracing_subscriber::fmt::layer()
                .compact()
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false)
                .with_writer(std::io::stderr)
                .boxed()
        };
        let quiet = format!("dbos=warn,sqlx=warn,sea_orm_migration=warn,{}", config.log);
        let console = console.with_filter(filter(&quiet).map_err(|problem| format!("HESTAMI_LOG: {problem}"))?);
        let sent = logger.as_ref().map(|logger| OpenTelemetryTracingBridge::new(logger).with_filter(LevelFilter::INFO));
        tracing_subscriber::registry().with(spans).with(console).with(sent).try_init()?;
        Ok(Telemetry { tracer, meter, logger, registry })
    }

    /// Sends all spans, metrics and logs that are left.
    pub fn stop(self) {
        let _ = self.tracer.shutdown();
        let _ = self.meter.shutdown();
        if let Some(logger) = self.logger {
            let _ = logger.shutdown();
        }
    }
}
