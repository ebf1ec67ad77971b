import { randomUUID } from 'node:crypto';
import { ApiProblem, type ApiClient } from '@muster/api-client';
import type {
  BodyOf,
  FailureJson,
  GroupJson,
  operations,
  PollingJson,
  QueryEvent,
  QueryJson,
  ReducedJson,
  WarningJson,
} from '@muster/api-contract';
import type { CommandEnv } from '../environment/command-env.js';
import { EXIT, type ExitCode } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';
import { ProgressLine, STALLED_NOTE } from '../terminal/progress-line.js';
import { styleFor } from '../terminal/table.js';
import { ClosedPipe, type Terminal } from '../terminal/terminal.js';
import { faultExcerpt } from './fault-excerpt.js';
import { createWriter, type Output, type ResultWriter } from './results.js';
import { lateText, progressText } from './progress.js';
import { exitCodeOf, renderSummary } from './summary.js';

/** A question as the API takes it. */
export type Ask = BodyOf<(typeof operations)['startQuery']>;

export interface AskOptions {
  readonly output: Output;
  /** Nothing on stderr but errors. */
  readonly quiet: boolean;
}

const CANCEL_MS = 5_000;

/** Asks, prints what comes as it comes, and returns the exit code. Ctrl-C cancels the query and keeps what came. */
export async function ask(env: CommandEnv, question: Ask, options: AskOptions): Promise<ExitCode> {
  return new QueryView(env.client(), env.terminal, await start(env, question), options).run();
}

async function start(env: CommandEnv, question: Ask): Promise<QueryJson> {
  try {
    return await env.client().call('POST /v1/queries', { body: question, idempotencyKey: randomUUID() });
  } catch (error) {
    throw error instanceof ApiProblem ? env.cliError(error, faultExcerpt(error, question)) : error;
  }
}

type Reduced = ReducedJson & { readonly error?: string | undefined };

/** The view of one query on one terminal. */
class QueryView {
  readonly #client: ApiClient;
  readonly #terminal: Terminal;
  readonly #query: QueryJson;
  readonly #quiet: boolean;
  readonly #writer: ResultWriter;
  readonly #line: ProgressLine;
  readonly #groups = new Map<number, GroupJson>();
  /** Groups that count together with the next event without `more`. */
  #groupsToCome: GroupJson[] = [];
  readonly #failures = new Map<number, FailureJson>();
  readonly #warnings: WarningJson[] = [];
  readonly #giveUp = new AbortController();
  /** Of the last event that had it. The events at the end have none. */
  #polling: PollingJson | undefined;
  #reduced: Reduced | undefined;
  #interrupted = false;

  constructor(client: ApiClient, terminal: Terminal, query: QueryJson, { output, quiet }: AskOptions) {
    const { stdout: out, stderr, env } = terminal;
    this.#client = client;
    this.#terminal = terminal;
    this.#query = query;
    this.#quiet = quiet;
    const { mode, columns } = query;
    this.#writer = createWriter({ output, out, style: styleFor(out.isTTY, env), mode, columns });
    this.#line = new ProgressLine(quiet ? { ...stderr, isTTY: false } : stderr, styleFor(stderr.isTTY, env), 'asking');
  }

  async run(): Promise<ExitCode> {
    const offInterrupt = this.#terminal.onInterrupt(() => this.#onInterrupt());
    try {
      const ended = await this.#follow();
      this.#line.end();
      await this.#printEnd(ended ?? this.#query);
      if (this.#interrupted) return EXIT.interrupted;
      if (this.#reduced?.error !== undefined) return EXIT.error;
      return exitCodeOf(ended ?? this.#query);
    } catch (error) {
      // Nobody reads the output any more, or it cannot be printed: the endpoints need not work on it either.
      await this.#cancel();
      if (error instanceof ClosedPipe) return EXIT.closedPipe;
      throw error;
    } finally {
      this.#line.end();
      offInterrupt();
    }
  }

  /** The query as it ended; undefined when a cancelled one did not end in time. */
  async #follow(): Promise<QueryJson | undefined> {
    const call = {
      params: { id: this.#query.id },
      signal: this.#giveUp.signal,
      onReconnect: () => this.#line.note('connection lost, trying again'),
    };
    try {
      for await (const event of this.#client.events('GET /v1/queries/{id}/events', call)) {
        if (event.event === 'ended') return event.query;
        await this.#take(event);
      }
    } catch (error) {
      if (!this.#giveUp.signal.aborted) throw error;
    }
    return undefined;
  }

  async #take(event: QueryEvent): Promise<void> {
    switch (event.event) {
      case 'started':
        return this.#line.update(progressText(event.query));
      case 'progress':
        // In the last one before the end nobody is waited for.
        if (event.polling !== undefined || event.ledger.waiting > 0) this.#polling = event.polling;
        return this.#line.update(progressText({ ...this.#query, ledger: event.ledger, polling: event.polling }));
      case 'rows':
        for (const { num } of event.answers) this.#failures.delete(num);
        // With a reduce, only the reduced rows are printed.
        if (this.#query.reduce !== undefined) return;
        this.#line.hide();
        return this.#writer.answers(event.answers);
      case 'groups':
        this.#groupsToCome.push(...event.groups);
        if (event.more === true) return;
        for (const group of this.#groupsToCome) this.#groups.set(group.index, group);
        this.#groupsToCome = [];
        return;
      case 'failures':
        for (const failure of event.failures) this.#failures.set(failure.num, failure);
        return;
      case 'warnings':
        this.#warnings.push(...event.warnings);
        return;
      case 'recovered':
        for (const { num } of event.endpoints) this.#failures.delete(num);
        return;
      case 'reduced':
        this.#reduced = event;
        return;
      case 'stalled':
        return this.#line.note(STALLED_NOTE);
      default:
        // A newer server may have further events.
        return;
    }
  }

  async #printEnd(query: QueryJson): Promise<void> {
    if (this.#reduced !== undefined && this.#reduced.error === undefined) await this.#writer.reduced(this.#reduced);
    else if (query.mode === 'group' && query.reduce === undefined) await this.#writer.groups(this.#sortedGroups());
    const failures = [...this.#failures.values()];
    await this.#writer.end(query, failures, this.#warnings);
    const { stderr, env } = this.#terminal;
    const style = styleFor(stderr.isTTY, env);
    if (this.#reduced?.error !== undefined)
      await stderr.write(style.red(`reduce failed: ${escapeControls(this.#reduced.error)}\n`));
    if (this.#reduced?.truncated === true)
      await stderr.write(style.yellow('The reduced rows were cut at the limit.\n'));
    if (this.#quiet) return;
    await stderr.write(renderSummary(query, { failures, warnings: this.#warnings }, style, stderr.columns));
    const late = lateText(query, this.#polling);
    if (late !== undefined) await stderr.write(style.yellow(`${late}\n`));
  }

  /** Groups with the most endpoints first. */
  #sortedGroups(): GroupJson[] {
    return [...this.#groups.values()].sort((a, b) => b.endpoints - a.endpoints || a.index - b.index);
  }

  #onInterrupt(): void {
    if (this.#interrupted) return this.#giveUp.abort();
    this.#interrupted = true;
    this.#line.note('cancelling');
    void this.#cancel();
    setTimeout(() => this.#giveUp.abort(), CANCEL_MS).unref();
  }

  async #cancel(): Promise<void> {
    const call = { params: { id: this.#query.id }, timeoutMs: CANCEL_MS };
    // A query that has ended cannot be cancelled, and one whose server is away ends at its deadline.
    await this.#client.call('DELETE /v1/queries/{id}', call).catch(() => undefined);
  }
}
