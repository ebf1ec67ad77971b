import type { AuditRecordJson } from '@muster/api-contract';
import type { CommandEnv } from '../environment/command-env.js';
import { timeQuery } from '../terminal/began-options.js';
import { followForever } from '../environment/follow-forever.js';
import { EXIT, usageError, type ExitCode } from '../terminal/cli-error.js';
import { escapeControls, safeJson } from '../terminal/escape.js';

export interface FollowAuditOptions {
  readonly after?: string;
  /** False with `--no-wait`. */
  readonly wait: boolean;
  readonly actor?: string;
  readonly action?: string;
  /** Checked by the server. */
  readonly outcome?: AuditRecordJson['outcome'];
  readonly since?: string;
  readonly until?: string;
  readonly output: string;
}

type Line = Readonly<Record<string, unknown>> & { readonly metadata?: { readonly sequence?: unknown } };

/** Writes audit records as lines. A stream that breaks is opened again after the last record. */
export async function followAudit(env: CommandEnv, options: FollowAuditOptions): Promise<ExitCode> {
  const { stdout, stderr } = env.terminal;
  let after = options.after === undefined ? 0 : readSeq(options.after);
  const stop = new AbortController();
  const offInterrupt = env.terminal.onInterrupt(() => stop.abort());
  const { actor, action, outcome, wait } = options;
  const filter = { actor, action, outcome, ...timeQuery(options) };
  const schema = options.output === 'ocsf' ? 'ocsf' : 'muster';
  const open = (): AsyncIterable<unknown> =>
    env.client().lines('GET /v1/audit', {
      query: { ...filter, after, follow: wait ? 'true' : 'false', schema },
      signal: stop.signal,
    });
  const onLost = (): void => void stderr.write('connection lost, trying again\n').catch(() => undefined);
  try {
    const lines = wait ? followForever(open, { signal: stop.signal, onLost }) : open();
    for await (const line of lines as AsyncIterable<Line>) {
      // No record: it tells how the stream is.
      if (typeof line['event'] === 'string') {
        if (line['event'] === 'stalled') await stderr.write(`${escapeControls(String(line['message']))}\n`);
        continue;
      }
      await stdout.write(`${safeJson(line)}\n`);
      const seq = schema === 'ocsf' ? line.metadata?.sequence : line['seq'];
      if (typeof seq === 'number') after = seq;
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    stop.abort();
    offInterrupt();
  }
  return wait ? EXIT.interrupted : EXIT.complete;
}

function readSeq(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw usageError(`--after ${text} is not the sequence of a record`);
  return Number(text);
}
