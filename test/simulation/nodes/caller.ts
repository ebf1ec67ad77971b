import { AppError, type AgentId, type CommandId, type Ledger, type QueryId } from '@muster/protocol';
import type { ModeOverrideRecord, QueryRecord, ResultEvent, ResultForm } from '@muster/records';
import { sleep } from '@muster/runtime';
import { ProcessClock } from '../world/process-clock.js';
import type { SimulatedProcess, World } from '../world/world.js';
import type { Move, OrderPlan, Question } from '../plans/plan.js';
import { LostError, type Api, type ApiNode } from './api-node.js';
import type { Endpoint } from './endpoint.js';
import { ORG } from './identities.js';

/** What a caller asked, what it was told, and what it read. */
export interface Asked {
  /** Of the latest attempt. */
  id: QueryId | undefined;
  /** All ids under which its key was used. */
  readonly ids: Set<QueryId>;
  /** Codes of the answers to attempts that failed. */
  readonly noes: string[];
  readonly isHunt: boolean;
  readonly form: ResultForm;
  readonly timeoutMs: number;
  readonly atMs: number;
  /** The endpoints whose session was ready then and at each attempt since, and since when, by their own word. */
  ready: ReadonlyMap<number, number>;
  /** When somebody said that it has begun, or for the last time no. */
  answeredAtMs: number | undefined;
  /** When it ended: the endpoints whose session was ready then, and since when. */
  readyAtEnd: ReadonlyMap<number, number>;
  started: QueryRecord | undefined;
  refused: string | undefined;
  /** As its viewer was told them, by one API process after the other, and their sequences. */
  readonly events: ResultEvent[];
  readonly seqs: number[];
  endedAtMs: number | undefined;
}

/** What a caller ordered, and what it was told. */
export interface Ordered {
  readonly key: string;
  readonly isRollout: boolean;
  readonly needsApproval: boolean;
  /** Somebody was told that it is approved. */
  isApproved: boolean;
  readonly agentIds: readonly AgentId[];
  /** Once it was accepted. */
  id: CommandId | undefined;
  refused: string | undefined;
}

/** How often a caller asks again with the same key after a refusal. */
const ATTEMPTS = 3;
/** How often when nobody can say what was done, or is still doing it. */
const MOST_ATTEMPTS = 25;
const REPEAT_MS = 1_000;
const OPERATOR = { id: 'op', name: 'Op', role: 'admin', bound: '', from: '192.0.2.9' } as const;
const APPROVER = { ...OPERATOR, id: 'ann', name: 'Ann' } as const;
export const ROLLOUT = { canary: 1, step: 1, pauseMs: 500, abortOver: 1 } as const;

/** Who asks questions and follows their results, at any API process; what is lost there is asked of another, with the same key. */
export class Caller {
  readonly process: SimulatedProcess;
  readonly asked: Asked[] = [];
  readonly ordered: Ordered[] = [];
  readonly #world: World;
  readonly #endpoints: readonly Endpoint[];
  readonly #apis: readonly ApiNode[];
  readonly #clock: ProcessClock;

  constructor(world: World, { apis, endpoints }: { apis: readonly ApiNode[]; endpoints: readonly Endpoint[] }) {
    this.#world = world;
    this.#endpoints = endpoints;
    this.#apis = apis;
    this.process = world.process('caller');
    this.#clock = new ProcessClock(world, this.process);
  }

  /** Whatever was asked and ordered has ended as far as callers see. */
  get isDone(): boolean {
    return this.asked.every(({ refused, endedAtMs }) => refused !== undefined || endedAtMs !== undefined);
  }

  async ask(question: Question): Promise<void> {
    const { form, timeoutMs, cancelAfterMs } = question;
    const isHunt = question.isHunt === true;
    const asked: Asked = {
      ...{ id: undefined, ids: new Set(), noes: [], isHunt, form, timeoutMs, atMs: this.#world.nowMs },
      ...{ ready: this.#ready(), answeredAtMs: undefined, readyAtEnd: new Map() },
      ...{ started: undefined, refused: undefined, events: [], seqs: [], endedAtMs: undefined },
    };
    const key = `question-${this.asked.push(asked)}`;
    const what = isHunt ? 'hunts with' : 'asks';
    this.#world.note(`${what} ${key} of ${asked.ready.size} that are ready (${form}, ${timeoutMs} ms)`, this.process);
    const record = await this.#repeat(
      asked.noes,
      (api) => this.#start(api, asked, key),
      () => this.#stillReady(asked),
    );
    asked.answeredAtMs = this.#world.nowMs;
    if (record === undefined) {
      asked.refused = asked.noes.at(-1);
      return;
    }
    this.#world.note(`is told that ${key} has begun as ${record.id}`, this.process);
    asked.started = record;
    if (cancelAfterMs !== undefined) void this.#cancel(asked, record, cancelAfterMs);
    await this.#follow(record.id, asked);
  }

  /** As the API asks under an idempotency key. */
  async #start(api: Api, asked: Asked, key: string): Promise<QueryRecord> {
    const scope = { org: ORG, operator: 'op', operatorName: 'Op', sql: 'SELECT 1', selector: '', bound: '' };
    const { form: mode, timeoutMs, isHunt, atMs } = asked;
    const wait = isHunt ? { waitUntilMs: Math.floor(atMs) + timeoutMs } : {};
    const call = { org: ORG, principalId: 'op', key, request: [key], onceBy: 'query_id' as const, ends: false };
    const answer = await api.idempotency.run(call, async (id) => {
      asked.id = id;
      asked.ids.add(id);
      const body = await api.queries.start({ t: 'start', id, ...scope, mode, timeoutMs, ...wait });
      return { kind: 'json', status: 201, body };
    });
    const record = answer.body as QueryRecord;
    asked.id = record.id;
    return record;
  }

  /** Asks again with the same key, as a client does, when the answer says that it may, or when there is none. */
  async #repeat<T>(noes: string[], attempt: (api: Api) => Promise<T>, again?: () => void): Promise<T | undefined> {
    let refusals = 0;
    for (let left = MOST_ATTEMPTS; left > 0 && refusals < ATTEMPTS; left -= 1) {
      try {
        return await this.#api.call(this.process, attempt);
      } catch (error) {
        const isLost = error instanceof LostError;
        const code = error instanceof AppError ? error.code : isLost ? LOST : String(error);
        // Who may still be at work says so: no refusal, but after one it is.
        if (!isLost && !(code === 'conflict' && noes.includes(LOST))) refusals += 1;
        noes.push(code);
        this.#world.note(`is refused: ${error instanceof Error ? error.message : String(error)}`, this.process);
        if (!isLost && !(error instanceof AppError && error.retryable)) return undefined;
      }
      await sleep(this.#clock, REPEAT_MS);
      again?.();
    }
    return undefined;
  }

  get #api(): ApiNode {
    return this.#world.random.pick(this.#apis);
  }

  /** Who stands still cannot tell whether it still has its session. */
  #ready(): ReadonlyMap<number, number> {
    const ready = new Map<number, number>();
    for (const { identity, readySinceMs, process } of this.#endpoints)
      if (readySinceMs !== undefined && process.state === 'up') ready.set(identity.num, readySinceMs);
    return ready;
  }

  /** A repeat may be the first one that is heard. */
  #stillReady(asked: Asked): void {
    const now = this.#ready();
    asked.ready = new Map([...asked.ready].filter(([num, sinceMs]) => now.get(num) === sinceMs));
  }

  async #cancel({ id }: Asked, record: QueryRecord, afterMs: number): Promise<void> {
    await sleep(this.#clock, afterMs);
    try {
      await this.#api.call(this.process, (api) => api.queries.cancel(record, 'op'));
      this.#world.note(`has cancelled ${id}`, this.process);
    } catch (error) {
      this.#world.note(`could not cancel ${id}: ${String(error)}`, this.process);
    }
  }

  /** Orders all endpoints. With `cancelAfterMs` it takes the order back. */
  async order(plan: OrderPlan): Promise<void> {
    const { expiresInMs, cancelAfterMs } = plan;
    const isRollout = plan.isRollout === true;
    const agentIds = this.#endpoints.map(({ identity }) => identity.agentId);
    const key = `order-${this.ordered.length + 1}`;
    const needsApproval = plan.approval !== undefined;
    const ordered: Ordered = {
      ...{ key, isRollout, needsApproval, isApproved: false, agentIds },
      ...{ id: undefined, refused: undefined },
    };
    this.ordered.push(ordered);
    const caller = OPERATOR;
    const action = needsApproval ? 'service.stop' : 'process.kill';
    const order = { action, params: { name: 'abc' }, target: { agentIds }, dryRun: false };
    const rollout = isRollout ? { rollout: ROLLOUT } : {};
    const request = { t: 'submit', org: ORG, caller, ...order, ...rollout, expiresInMs, timeoutMs: 5_000 } as const;
    const noes: string[] = [];
    const submitted = await this.#repeat(noes, (api) => api.commands.submit({ ...request, requestKey: key }));
    ordered.refused = noes.at(-1);
    if (submitted === undefined) return;
    const { id } = submitted.command.record;
    ordered.id = id;
    const what = isRollout ? 'rolls out' : 'orders';
    this.#world.note(`${what} ${id}, which expires in ${expiresInMs} ms`, this.process);
    if (plan.approval?.afterMs !== undefined) void this.#approve(ordered, id, plan.approval.afterMs);
    if (cancelAfterMs === undefined) return;
    await sleep(this.#clock, cancelAfterMs);
    await this.#repeat([], (api) => api.commands.decide({ t: 'cancel', org: ORG, caller, id }));
    this.#world.note(`has tried to cancel ${id}`, this.process);
  }

  /** Tells endpoints which channel to use, as the API's operation does; again until all of it is kept. */
  async move({ targets, mode, intervalMs, forMs }: Move): Promise<void> {
    const chosen = this.#endpoints.filter(({ process }) => targets.includes(process.name));
    const ids = chosen.map(({ identity }) => identity.agentId);
    const isKept = await this.#repeat([], (api) => {
      const atMs = this.#clock.now();
      const until = forMs === undefined ? {} : { untilMs: atMs + forMs };
      const every = intervalMs === undefined ? {} : { intervalMs };
      return overrideModes(api, ids, { mode, ...every, ...until, reason: 'test', by: 'op', atMs });
    });
    const told = isKept === true ? 'has told' : 'could not tell';
    this.#world.note(`${told} ${targets.join(', ')} to use ${mode}`, this.process);
  }

  /** As the second person, at any API process. */
  async #approve(ordered: Ordered, id: CommandId, afterMs: number): Promise<void> {
    await sleep(this.#clock, afterMs);
    const approved = await this.#repeat([], (api) =>
      api.commands.decide({ t: 'approve', org: ORG, caller: APPROVER, id }),
    );
    ordered.isApproved = approved !== undefined;
    this.#world.note(`${ordered.isApproved ? 'has approved' : 'could not approve'} ${id}`, this.process);
  }

  /** Reads its events to the end. When the stream breaks off it goes on after the last event, at any API process. */
  async #follow(id: QueryId, asked: Asked): Promise<void> {
    while (asked.endedAtMs === undefined) {
      const from = { id, afterSeq: asked.seqs.at(-1) ?? 0 };
      await this.#api.stream(this.process, from, ({ seq, event }) => {
        asked.events.push(event);
        asked.seqs.push(seq);
        if (event.t === 'ended') this.#ended(asked, event.record);
      });
      if (asked.endedAtMs === undefined) await sleep(this.#clock, REPEAT_MS);
    }
  }

  #ended(asked: Asked, { id, state, ledger }: QueryRecord): void {
    asked.endedAtMs = this.#world.nowMs;
    asked.readyAtEnd = this.#ready();
    this.#world.note(`reads the end of ${id}: ${state}, ${ledgerText(ledger)}`, this.process);
  }
}

/** @throws AppError when not all of it is kept. */
async function overrideModes(api: Api, ids: readonly string[], record: ModeOverrideRecord): Promise<true> {
  const known = ids.flatMap((id) => api.directory.byId(ORG, id) ?? []);
  let isAll = known.length === ids.length;
  for await (const { kind } of api.overrides.setAll(known, record)) isAll &&= kind !== 'failed';
  if (!isAll) throw new AppError('broker_unavailable', 'not all modes could be kept');
  return true;
}

/** Instead of a code: nobody answered. */
export const LOST = 'lost';

export function ledgerText(ledger: Ledger): string {
  return Object.entries(ledger)
    .filter(([, count]) => (count ?? 0) > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}
