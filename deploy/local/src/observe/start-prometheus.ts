import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from '@muster/runtime';
import { startOnPort, type BrokerHandle } from '../brokers/broker-process.js';
import { ensureBinary } from '../brokers/find-broker.js';

/** What is scraped: the health port of one program. */
export interface ScrapeTarget {
  /** `muster-gateway`: rules and dashboards select by it. */
  readonly job: string;
  /** Its name in the stack: `gateway-1`. */
  readonly instance: string;
  /** `http://127.0.0.1:9090`. */
  readonly healthUrl: string;
}

export interface StartPrometheusOptions {
  /** Created if missing; holds the configuration, the data and the log. */
  readonly dataDir: string;
  readonly logger: Logger;
  readonly targets: readonly ScrapeTarget[];
  /** Default: a free one. */
  readonly port?: number;
  /** Rule files; patterns allowed. Default: those of deploy/observability. */
  readonly rules?: readonly string[];
  /** Whether it takes remote write, at `/api/v1/write`. */
  readonly takesWrites?: boolean;
  /** How often it scrapes; default 5 s. */
  readonly scrapeSeconds?: number;
}

/** The rules of deploy/observability. */
const RULES = `${fileURLToPath(new URL('../../../observability/prometheus/rules/', import.meta.url))}*.yaml`;
const RETENTION = '7d';

/**
 * Starts Prometheus on the loopback interface and waits until it answers. It is installed if it is missing.
 * @throws MissingProgramError, BrokerStartError
 */
export async function startPrometheus(options: StartPrometheusOptions): Promise<BrokerHandle> {
  const { dataDir, logger, port, takesWrites = false } = options;
  const program = await ensureBinary('prometheus', 'prometheus', { logger });
  const config = join(dataDir, 'prometheus.yml');
  await mkdir(dataDir, { recursive: true });
  await writeFile(config, prometheusConfig(options));
  const handle = await startOnPort(port, 'http', (chosen) => ({
    name: 'prometheus',
    program,
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(dataDir, 'tsdb')}`,
      `--storage.tsdb.retention.time=${RETENTION}`,
      `--web.listen-address=127.0.0.1:${chosen}`,
      '--log.level=warn',
      ...(takesWrites ? ['--web.enable-remote-write-receiver'] : []),
    ],
    logFile: join(dataDir, 'prometheus.log'),
    isReady: () => isReady(chosen),
  }));
  logger.debug('prometheus started', { url: handle.url, pid: handle.pid });
  return handle;
}

/** JSON is YAML. */
export function prometheusConfig({ targets, rules = [RULES], scrapeSeconds = 5 }: StartPrometheusOptions): string {
  const jobs = new Set(targets.map(({ job }) => job));
  const config = {
    global: { scrape_interval: `${scrapeSeconds}s`, evaluation_interval: `${scrapeSeconds}s` },
    rule_files: rules,
    scrape_configs: [...jobs].map((job) => ({
      job_name: job,
      static_configs: targets
        .filter((target) => target.job === job)
        .map(({ instance, healthUrl }) => ({ targets: [new URL(healthUrl).host], labels: { instance } })),
    })),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

async function isReady(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/-/ready`, { signal: AbortSignal.timeout(1_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
