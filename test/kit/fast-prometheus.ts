import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startPrometheus } from '@muster/local';
import { generatedFiles } from '@muster/observability';
import { silentLogger } from '@muster/runtime';

export interface FastPrometheusOptions {
  /** Holds its data and the copies of the rules. */
  readonly folder: string;
  readonly targets: Parameters<typeof startPrometheus>[0]['targets'];
  /** Default: a free one, and no remote write. With a port it takes remote write. */
  readonly port?: number;
}

/**
 * A real Prometheus that scrapes every second. Its rules are evaluated every second instead of every minute; what has
 * to last for minutes has to last for seconds.
 */
export class FastPrometheus {
  readonly #handle: Awaited<ReturnType<typeof startPrometheus>>;

  private constructor(handle: Awaited<ReturnType<typeof startPrometheus>>) {
    this.#handle = handle;
  }

  static async start({ folder, targets, port }: FastPrometheusOptions): Promise<FastPrometheus> {
    const handle = await startPrometheus({
      ...{ dataDir: join(folder, 'prometheus'), logger: silentLogger, targets, scrapeSeconds: 1 },
      rules: await fasterRules(folder),
      ...(port === undefined ? {} : { port, takesWrites: true }),
    });
    return new FastPrometheus(handle);
  }

  async stop(): Promise<void> {
    await this.#handle.stop();
  }

  async ask(path: string): Promise<unknown> {
    const response = await fetch(`${this.#handle.url}/api/v1/${path}`);
    const body = (await response.json()) as { status: string; error?: string; data: unknown };
    if (body.status !== 'success') throw new Error(`${path}: ${body.error}`);
    return body.data;
  }

  /** How many series an expression has. */
  async samplesOf(expr: string): Promise<number> {
    return (await this.#query(expr)).length;
  }

  /** All alerts that have fired so far: `name severity` of each, and `name severity instance`. */
  async fired(): Promise<Set<string>> {
    const all = new Set<string>();
    for (const { metric } of await this.#query('last_over_time(ALERTS{alertstate="firing"}[1h])')) {
      const { alertname, severity, instance } = metric;
      all.add(`${alertname} ${severity}`);
      if (instance !== undefined) all.add(`${alertname} ${severity} ${instance}`);
    }
    return all;
  }

  async #query(expr: string): Promise<readonly { readonly metric: Readonly<Record<string, string>> }[]> {
    const { result } = (await this.ask(`query?query=${encodeURIComponent(expr)}`)) as {
      result: { metric: Record<string, string> }[];
    };
    return result;
  }
}

async function fasterRules(folder: string): Promise<string[]> {
  const rules = [...generatedFiles()].filter(([path]) => path.includes('/rules/'));
  return Promise.all(
    rules.map(async ([path, text]) => {
      const copy = join(folder, path.split('/').at(-1)!);
      const faster = text.replaceAll('interval: 1m', 'interval: 1s').replace(/(\n +for: \d+)m/g, '$1s');
      await writeFile(copy, faster);
      return copy;
    }),
  );
}
