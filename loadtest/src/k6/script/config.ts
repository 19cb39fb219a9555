// What an agent of a load test says that it runs: a Collector's config of about 3 KB, as supervised Collectors report it
// once all their parts are merged, and the files of an offer beside it. Pure.

/** One file of a config. */
export interface ConfigFile {
  readonly name: string;
  readonly body: Uint8Array;
}

const SCRAPED = ["api", "billing", "cache", "checkout", "frontend", "inventory", "ledger", "mail", "orders", "search"];

/** The YAML of the base config; the uid stands in it, as in a real one, so that no two agents report the same bytes. */
export function baseConfig(uid: string): string {
  const jobs = SCRAPED.map(
    (name) => `        - job_name: ${name}
          scrape_interval: 30s
          metrics_path: /metrics
          static_configs:
            - targets: ["${name}-0.${name}:9090", "${name}-1.${name}:9090", "${name}-2.${name}:9090"]
`,
  );
  return `extensions:
  opamp:
    instance_uid: ${uid}
    ppid_poll_interval: 5s
  health_check: {endpoint: "127.0.0.1:13133"}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:4317", max_recv_msg_size_mib: 16}
      http: {endpoint: "127.0.0.1:4318"}
  hostmetrics:
    collection_interval: 30s
    scrapers: {cpu: {}, disk: {}, filesystem: {}, load: {}, memory: {}, network: {}, paging: {}, processes: {}}
  prometheus:
    config:
      scrape_configs:
${jobs.join("")}processors:
  memory_limiter: {check_interval: 1s, limit_percentage: 80, spike_limit_percentage: 20}
  batch: {send_batch_size: 8192, timeout: 200ms}
exporters:
  otlp: {endpoint: "gateway.observability:4317", compression: zstd, sending_queue: {num_consumers: 4, queue_size: 5000}}
service:
  extensions: [opamp, health_check]
  telemetry:
    logs: {encoding: json}
    resource: {service.instance.id: ${uid}}
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter, batch], exporters: [otlp]}
    metrics: {receivers: [otlp, hostmetrics, prometheus], processors: [memory_limiter, batch], exporters: [otlp]}
    logs: {receivers: [otlp], processors: [memory_limiter, batch], exporters: [otlp]}
`;
}
