import type { HealthEventJson } from '@muster/api-contract';
import type { CommandEnv } from '../environment/command-env.js';
import { followForever } from '../environment/follow-forever.js';
import { EXIT, type ExitCode } from '../terminal/cli-error.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { styleFor } from '../terminal/table.js';
import { missingText } from '../top/fleet/fleet-top.js';
import { changeLine, renderUnwell } from './render.js';
import type { UnwellList } from './unwell-list.js';

export interface WatchOptions {
  readonly selector: string;
  readonly list: (signal: AbortSignal) => Promise<UnwellList>;
  readonly output: 'table' | 'ndjson';
}

/** Prints who is not well, then every change as it happens, until Ctrl-C. A stream that breaks is opened again after the last change. */
export async function watchHealth(env: CommandEnv, { selector, list, output }: WatchOptions): Promise<ExitCode> {
  const { stderr } = env.terminal;
  const stop = new AbortController();
  const offInterrupt = env.terminal.onInterrupt(() => {
    offInterrupt();
    stop.abort();
  });
  const { signal } = stop;
  const writer = output === 'ndjson' ? new EventLines(env) : new TextLines(env);
  let lastSeq: number | undefined;
  let isLost = false;
  let hasList = false;
  const onLost = (): void => {
    if (!isLost) void stderr.write('connection lost, trying again\n').catch(() => undefined);
    isLost = true;
  };
  const open = (): AsyncIterable<HealthEventJson> =>
    env.client().events('GET /v1/health/events', {
      query: { selector, ...(lastSeq === undefined ? {} : { after: lastSeq }) },
      signal,
      onReconnect: onLost,
    });
  try {
    for await (const event of followForever(open, { signal, onLost })) {
      isLost = false;
      lastSeq = event.seq ?? lastSeq;
      if (event.event === 'began') {
        // Only now: what changes while the list is read is told after it.
        if (!hasList) await writer.list(await list(signal));
        hasList = true;
      } else if (event.event === 'stalled') await stderr.write(`${escapeControls(event.message)}\n`);
      else await writer.event(event);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop.abort();
    offInterrupt();
  }
  return EXIT.interrupted;
}

type Told = Extract<HealthEventJson, { readonly event: 'changed' | 'gap' }>;

/** For people: the list, then a line for each change. */
class TextLines {
  readonly #env: CommandEnv;
  readonly #style;

  constructor(env: CommandEnv) {
    this.#env = env;
    this.#style = styleFor(env.terminal.stdout.isTTY, env.terminal.env);
  }

  async list(found: UnwellList): Promise<void> {
    const { stdout, stderr } = this.#env.terminal;
    await stdout.write(renderUnwell(found, { width: stdout.columns, style: this.#style, nowMs: Date.now() }));
    const missing = missingText(found.partitions);
    if (missing !== undefined) await stderr.write(`${missing}\n`);
  }

  async event(event: Told): Promise<void> {
    const line =
      event.event === 'changed'
        ? changeLine(event, this.#style)
        : this.#style.yellow(
            `# changes of ${escapeControls(event.host ?? event.agentId ?? 'some endpoints')} were missed`,
          );
    await this.#env.terminal.stdout.write(`${line}\n`);
  }
}

/** For programs: who is not well now as events of the name `current`, then the events of the API. */
class EventLines {
  readonly #env: CommandEnv;

  constructor(env: CommandEnv) {
    this.#env = env;
  }

  async list({ items, partitions }: UnwellList): Promise<void> {
    const text = items.map((item) => `${safeJson({ event: 'current', ...item })}\n`).join('');
    if (text !== '') await this.#env.terminal.stdout.write(text);
    const missing = missingText(partitions);
    if (missing !== undefined) await this.#env.terminal.stderr.write(`${missing}\n`);
  }

  async event(event: Told): Promise<void> {
    await this.#env.terminal.stdout.write(`${safeJson(event)}\n`);
  }
}
