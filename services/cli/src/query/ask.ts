import { randomUUID } from 'node:crypto';
import { ApiProblem, type ApiClient } from '../environment/api-client.js';
import { followQuery } from '../environment/query-events.js';
import type {
  FailureJson,
  GroupJson,
  PollingJson,
  QueryEvent,
  QueryJson,
  ReducedJson,
} from '../environment/query-json.js';
import { EXIT, type ExitCode } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';
import { ProgressLine } from '../terminal/progress-line.js';
import { styleFor } from '../terminal/table.js';
import { ClosedPipe, type Terminal } from '../terminal/terminal.js';
import { faultExcerpt } from './fault-excerpt.js';
import { createWriter, type Output, type ResultWriter } from './results.js';
import { lateText, progressText } from './progress.js';
import { exitCodeOf, renderSummary } from './summary.js';

/** A question as the API takes it. */
export interface Ask {
  readonly sql: string;
  readonly selector: string;
  readonly mode: 'raw' | 'group';
  readonly reduce?: string;
  readonly timeout?: string;
}

export interface AskOptions {
  readonly output: Output;
  /** Nothing on stderr but errors. */
  readonly quiet: boolean;
}

const CANCEL_MS = 5_000;

/** Asks, prints what comes as it comes, and returns the exit code. Ctrl-C cancels the query and keeps what came. */
export async function ask(
  client: ApiClient,
  terminal: Terminal,
  question: Ask,
  options: AskOptions,
): Promise<ExitCode> {
  return new Viewing(client, terminal, await start(client, question), options).run();
}

async function start(client: ApiClient, question: Ask): Promise<QueryJson> {
  const headers = { 'idempotency-key': randomUUID() };
  try {
    return await client.json<QueryJson>('/v1/queries', { method: 'POST', body: question, headers });
  } catch (error) {
    if (error instanceof ApiProblem) error.excerpt = faultExcerpt(error, question);
    throw error;
  }
}

/** One query as one terminal sees it. */
class Viewing {
  readonly #client: ApiClient;
  readonly #terminal: Terminal;
  readonly #query: QueryJson;
  readonly #quiet: boolean;
  readonly #writer: ResultWriter;
  readonly #line: ProgressLine;
  readonly #groups = new Map<number, GroupJson>();
  readonly #failures = new Map<number, FailureJson>();
  readonly #giveUp = new AbortController();
  /** As it was told last: of the end nothing is said any more. */
  #polling: PollingJson | undefined;
  #reduced: ReducedJson | undefined;
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
      // Nobody reads any more, or nothing can be printed: the endpoints need not work on it either.
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
    const options = {
      signal: this.#giveUp.signal,
      onReconnect: () => this.#line.note('connection lost, trying again'),
    };
    try {
      for await (const event of followQuery(this.#client, this.#query.id, options)) {
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
        // The last one before the end waits for nobody.
        if (event.polling !== undefined || event.ledger.waiting > 0) this.#polling = event.polling;
        return this.#line.update(progressText({ ...this.#query, ledger: event.ledger, polling: event.polling }));
      case 'rows':
        for (const { num } of event.answers) this.#failures.delete(num);
        // With a reduce, its rows are the result.
        if (this.#query.reduce !== undefined) return;
        this.#line.hide();
        return this.#writer.answers(event.answers);
      case 'groups':
        for (const group of event.groups) this.#groups.set(group.index, group);
        return;
      case 'failures':
        for (const failure of event.failures) this.#failures.set(failure.num, failure);
        return;
      case 'recovered':
        for (const { num } of event.endpoints) this.#failures.delete(num);
        return;
      case 'reduced':
        this.#reduced = event;
        return;
      default:
        // Events of a newer server are passed over.
        return;
    }
  }

  async #printEnd(query: QueryJson): Promise<void> {
    if (this.#reduced !== undefined && this.#reduced.error === undefined) await this.#writer.reduced(this.#reduced);
    else if (query.mode === 'group' && query.reduce === undefined) await this.#writer.groups(this.#sortedGroups());
    const failures = [...this.#failures.values()];
    await this.#writer.end(query, failures);
    const { stderr, env } = this.#terminal;
    const style = styleFor(stderr.isTTY, env);
    if (this.#reduced?.error !== undefined)
      await stderr.write(style.red(`reduce failed: ${escapeControls(this.#reduced.error)}\n`));
    if (this.#reduced?.truncated === true)
      await stderr.write(style.yellow('The reduced rows were cut at the limit.\n'));
    if (this.#quiet) return;
    await stderr.write(renderSummary(query, failures, style, stderr.columns));
    const late = lateText(query, this.#polling);
    if (late !== undefined) await stderr.write(style.yellow(`${late}\n`));
  }

  /** What most endpoints have first. */
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
    const signal = AbortSignal.timeout(CANCEL_MS);
    // A query that has ended cannot be cancelled, and a server that is away ends it at its deadline.
    await this.#client.json(`/v1/queries/${this.#query.id}`, { method: 'DELETE', signal }).catch(() => undefined);
  }
}
