import { randomUUID } from 'node:crypto';
import { ApiProblem, type ApiClient } from '@muster/api-client';
import type {
  BodyOf,
  FailureJson,
  GroupJson,
  LedgerJson,
  operations,
  PollingJson,
  QueryEvent,
  QueryJson,
  ReducedJson,
  WarningJson,
} from '@muster/api-contract';
import type { CommandEnv } from '../environment/command-env.js';
import { stillThere } from '../environment/still-there.js';
import { CliError, EXIT, type ExitCode } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';
import { ProgressLine, STALLED_NOTE } from '../terminal/progress-line.js';
import { styleFor } from '../terminal/table.js';
import { wallTime } from '../terminal/time-text.js';
import { ClosedPipe, type Terminal } from '../terminal/terminal.js';
import { sqlHint } from './did-you-mean.js';
import { faultExcerpt } from './fault-excerpt.js';
import { whyNobody } from '../labels/why-nobody.js';
import { liveGroups } from './live-groups.js';
import { createWriter, type Output, type ResultWriter } from './results.js';
import { lateText, progressText } from './progress.js';
import { SilenceMonitor } from './silence.js';
import { exitCodeOf, renderSummary } from './summary.js';
import { EnoughMonitor, type Until } from './until.js';

/** A question as the API takes it. */
export type Ask = BodyOf<(typeof operations)['startQuery']>;

export interface AskOptions {
  readonly output: Output;
  /** Nothing on stderr but errors. */
  readonly quiet: boolean;
  /** CSV for spreadsheets. */
  readonly excel?: boolean;
  /** Shows the result when there is so much, and leaves the query to go on. */
  readonly until?: Until;
  /** Changed in tests. */
  readonly silentMs?: number;
}

const CANCEL_MS = 5_000;

/**
 * Asks, prints what comes as it comes, and returns the exit code. Ctrl-C cancels the query and keeps what came; a hunt goes on without
 * its viewer.
 */
export async function ask(env: CommandEnv, question: Ask, options: AskOptions): Promise<ExitCode> {
  const query = await start(env, question);
  try {
    return await new QueryView(env, query, options).run();
  } catch (error) {
    const { id } = query;
    const place = `muster queries rows ${id}`;
    // Others are cancelled.
    const isHunt = query.waitUntil !== undefined;
    const line = isHunt
      ? `the query ${id} may go on: ${place}, muster queries cancel ${id}`
      : `what came of it: ${place}`;
    throw stillThere(env, error, line);
  }
}

/** Starts a query, prints its id, and leaves it. */
export async function askDetached(env: CommandEnv, question: Ask): Promise<ExitCode> {
  const { id } = await start(env, question);
  await env.terminal.stdout.write(`${id}\n`);
  return EXIT.complete;
}

async function start(env: CommandEnv, question: Ask): Promise<QueryJson> {
  try {
    return await env.client().call('POST /v1/queries', { body: question, idempotencyKey: randomUUID() });
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    const fault = env.cliError(error, faultExcerpt(error, question));
    const hint = await sqlHint(env.client(), error.message, question.sql ?? '');
    throw hint !== undefined && fault instanceof CliError ? fault.withHint(hint) : fault;
  }
}

type Reduced = ReducedJson & { readonly error?: string | undefined };

/** The view of one query on one terminal. */
class QueryView {
  readonly #client: ApiClient;
  readonly #terminal: Terminal;
  readonly #query: QueryJson;
  readonly #quiet: boolean;
  /** Where the console shows it. */
  readonly #link: string | undefined;
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
  /** Of the last event that had one. */
  #ledger: LedgerJson;
  #interrupted = false;
  readonly #enough: EnoughMonitor | undefined;
  /** Not of a hunt, which waits for days. */
  readonly #silence: SilenceMonitor | undefined;
  /** Whether groups are shown while they grow. */
  readonly #isLive: boolean;
  #hasEnough = false;

  constructor(from: CommandEnv, query: QueryJson, { output, quiet, excel, until, silentMs }: AskOptions) {
    const { terminal } = from;
    const { stdout: out, stderr, env } = terminal;
    this.#client = from.client();
    this.#link = from.link(query.id);
    this.#terminal = terminal;
    this.#query = query;
    this.#ledger = query.ledger;
    this.#quiet = quiet;
    this.#enough = until === undefined ? undefined : new EnoughMonitor(until, () => this.#stopLooking());
    const { mode, columns } = query;
    this.#silence = quiet || this.#isHunt ? undefined : this.#watchSilence(silentMs);
    const isScreen = out.isTTY && stderr.isTTY && !quiet && env['TERM'] !== 'dumb';
    this.#isLive = isScreen && mode === 'group' && query.reduce === undefined && output === 'table';
    this.#writer = createWriter({ output, out, style: styleFor(out.isTTY, env), mode, columns, excel });
    this.#line = new ProgressLine(quiet ? { ...stderr, isTTY: false } : stderr, styleFor(stderr.isTTY, env), 'asking');
  }

  async run(): Promise<ExitCode> {
    const offInterrupt = this.#terminal.onInterrupt(() => this.#onInterrupt());
    try {
      const ended = await this.#follow();
      this.#silence?.stop();
      this.#line.end();
      const goesOn = ended === undefined && (this.#isHunt || this.#hasEnough);
      if (goesOn && this.#query.reduce !== undefined) await this.#reduceNow(this.#query.reduce);
      await this.#printEnd(ended ?? { ...this.#query, ledger: this.#ledger });
      if (goesOn) await this.#tellThatItGoesOn();
      if (this.#interrupted) return EXIT.interrupted;
      if (this.#reduced?.error !== undefined) return EXIT.error;
      if (ended === undefined && this.#hasEnough) return EXIT.complete;
      return exitCodeOf(ended ?? this.#query, this.#warnings);
    } catch (error) {
      // Nobody reads the output any more, or it cannot be printed: the endpoints need not work on it either.
      if (!this.#isHunt) await this.#cancel();
      if (error instanceof ClosedPipe) return EXIT.closedPipe;
      throw error;
    } finally {
      this.#enough?.stop();
      this.#silence?.stop();
      this.#line.end();
      offInterrupt();
    }
  }

  /** On a terminal the line of progress has it; a log gets a line for each set of endpoints. */
  #watchSilence(silentMs: number | undefined): SilenceMonitor {
    const { stderr } = this.#terminal;
    return new SilenceMonitor({
      ...{ client: this.#client, query: this.#query, ...(silentMs === undefined ? {} : { silentMs }) },
      tell: (text, isNew) => {
        if (stderr.isTTY) this.#line.note(text);
        else if (isNew) void stderr.write(`${text}\n`).catch(() => undefined);
      },
    });
  }

  /** There is enough: the query goes on without its viewer. */
  #stopLooking(): void {
    this.#hasEnough = true;
    this.#giveUp.abort();
  }

  /** What the reduce step makes of the rows so far. The query runs its own at its end. */
  async #reduceNow(sql: string): Promise<void> {
    const parameters = this.#query.parameters as Ask['parameters'];
    const body = { sql, ...(parameters === undefined ? {} : { parameters }) };
    this.#reduced = await this.#client.call('POST /v1/queries/{id}/reduce', { params: { id: this.#query.id }, body });
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

  get #isHunt(): boolean {
    return this.#query.waitUntil !== undefined;
  }

  async #tellThatItGoesOn(): Promise<void> {
    const { id, waitUntil } = this.#query;
    const until = waitUntil === undefined ? '' : ` until ${wallTime(waitUntil, Date.now())}`;
    const { stderr } = this.#terminal;
    await stderr.write(`It goes on${until}: muster queries rows ${id}, muster queries cancel ${id}\n`);
  }

  async #take(event: QueryEvent): Promise<void> {
    if ('ledger' in event && event.ledger !== undefined) {
      this.#ledger = event.ledger;
      const polling = 'polling' in event ? event.polling?.waiting : this.#polling?.waiting;
      const working = 'working' in event ? (event.working?.endpoints ?? 0) : 0;
      this.#silence?.see(event.ledger, (polling ?? 0) + working);
      this.#enough?.see(event.ledger);
    }
    switch (event.event) {
      case 'started':
        return this.#line.update(progressText(event.query));
      case 'progress':
        // In the last one before the end nobody is waited for.
        if (event.polling !== undefined || event.ledger.waiting > 0) this.#polling = event.polling;
        return this.#line.update(
          progressText({ ...this.#query, ledger: event.ledger, polling: event.polling, working: event.working }),
        );
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
        return this.#showGroups();
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
    await stderr.write(renderSummary(query, { failures, warnings: this.#warnings }, style, stderr.columns, this.#link));
    const isNobody = query.ledger.targeted === 0 && query.offline === 0;
    const why = isNobody ? await whyNobody(this.#client, query.selector) : undefined;
    if (why !== undefined) await stderr.write(style.yellow(`${escapeControls(why)}\n`));
    const late = lateText(query, this.#polling);
    if (late !== undefined) await stderr.write(style.yellow(`${late}\n`));
  }

  #showGroups(): void {
    if (!this.#isLive) return;
    const { stderr, env } = this.#terminal;
    const width = (stderr.columns ?? 80) - 1;
    const options = { width, style: styleFor(stderr.isTTY, env) };
    this.#line.showAbove(liveGroups(this.#sortedGroups(), this.#query.columns, options));
  }

  /** Groups with the most endpoints first. */
  #sortedGroups(): GroupJson[] {
    return [...this.#groups.values()].sort((a, b) => b.endpoints - a.endpoints || a.index - b.index);
  }

  #onInterrupt(): void {
    if (this.#interrupted) return this.#giveUp.abort();
    this.#interrupted = true;
    if (this.#isHunt) return this.#giveUp.abort();
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
