import type { Bus, BusSubscription, StreamStore } from '@muster/bus';
import {
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type CommandReply,
  type CommandRequest,
  type CommandSummary,
  type SubmitCommand,
  summaryOf,
} from '@muster/messages';
import { newCommandId, type CommandId, type CommandState, type OrgId } from '@muster/protocol';
import {
  CommandFold,
  decodeJournalEntry,
  encodeJournalEntry,
  encodeNumberSet,
  STREAM_SUBJECTS,
  STREAMS,
  type CommandRecord,
  type JournalEntry,
} from '@muster/records';

/** Behaves towards the API as a command service does: it keeps a journal, and answers as the test says. */
export class FakeCommandService {
  readonly asked: CommandRequest[] = [];
  /** Overrides the reply to a request. */
  answer: (request: CommandRequest) => CommandReply | undefined = () => undefined;
  /** How many targets a selector has; numbers from 1. */
  targets = 3;
  /** Requests are carried out at once; their answers wait until this resolves. */
  held: Promise<void> | undefined;
  /** New commands wait for approval. */
  needsApproval = false;
  readonly #bus: Bus;
  readonly #streams: StreamStore;
  readonly #byKey = new Map<string, CommandId>();
  readonly #ids: CommandId[] = [];
  #subscription: BusSubscription | undefined;
  #madeMs = Date.now();

  constructor({ bus, streams }: { bus: Bus; streams: StreamStore }) {
    this.#bus = bus;
    this.#streams = streams;
  }

  start(): void {
    this.#subscription = this.#bus.subscribe(
      SUBJECTS.commands,
      ({ data, reply }) => {
        const request = decodeServiceMessage<CommandRequest>(data);
        this.asked.push(request);
        void this.#reply(request).then(async (answer) => {
          await this.held;
          reply?.(encodeBusMessage(answer));
        });
      },
      { queue: 'command' },
    );
  }

  stop(): void {
    this.#subscription?.unsubscribe();
  }

  /** Writes to a command's journal; the sequence of the entry. */
  async keep(command: Pick<CommandRecord, 'org' | 'id'>, entry: JournalEntry): Promise<number> {
    const result = await this.#streams.append(
      STREAM_SUBJECTS.command(command.org, command.id),
      encodeJournalEntry(entry),
    );
    if (result.kind !== 'appended') throw new Error(result.kind);
    return result.seq;
  }

  /** Journals a new state of some targets. */
  settle(
    command: Pick<CommandRecord, 'org' | 'id'>,
    state: CommandState,
    targets: readonly number[],
    more: { code?: string; message?: string; effects?: readonly string[] } = {},
  ): Promise<number> {
    const change = { state, targets: encodeNumberSet(targets), code: '', message: '', ...more };
    return this.keep(command, { t: 'states', atMs: Date.now(), changes: [change] });
  }

  /** Makes a command without the API. */
  async make(change: Partial<CommandRecord> = {}, nums?: readonly number[]): Promise<CommandRecord> {
    this.#madeMs += 1;
    const record: CommandRecord = {
      id: newCommandId(this.#madeMs),
      org: 'default' as OrgId,
      action: 'process.kill',
      params: { name: 'abc.exe' },
      dryRun: false,
      target: 'os=linux',
      targets: { sets: [encodeNumberSet(nums ?? Array.from({ length: this.targets }, (_, i) => i + 1))] },
      operator: { id: 'ann', name: 'Ann', role: 'responder' },
      submittedAtMs: this.#madeMs,
      expiresAtMs: this.#madeMs + 3_600_000,
      timeoutMs: 60_000,
      ...change,
    };
    const isSigned = record.approval === undefined;
    const begun = { signature: { jws: 'j', keys: 'k' }, released: 100_000, sent: encodeNumberSet([1]) };
    await this.keep(record, { t: 'submitted', atMs: record.submittedAtMs, record, ...(isSigned ? begun : {}) });
    this.#ids.push(record.id);
    return record;
  }

  async read(org: OrgId, id: CommandId): Promise<CommandSummary | undefined> {
    let fold: CommandFold | undefined;
    for await (const { data } of this.#streams.read(STREAMS.commands.name, {
      subject: STREAM_SUBJECTS.command(org, id),
    })) {
      const entry = decodeJournalEntry(data);
      if (entry.t === 'submitted') fold ??= new CommandFold(entry.record);
      fold?.apply(entry);
    }
    return fold === undefined ? undefined : summaryOf(fold);
  }

  async #reply(request: CommandRequest): Promise<CommandReply> {
    const given = this.answer(request);
    if (given !== undefined) return given;
    switch (request.t) {
      case 'submit':
        return await this.#submit(request, recordOf(request));
      case 'undo':
        return await this.#submit(request, { ...recordOf(request), action: 'undo', undoes: request.id });
      case 'plan':
        return { t: 'plan', targets: this.targets, connected: 1, unsupported: 0 };
      case 'sign_pack':
        return { t: 'pack_signed', jws: 'a.b.c', keys: 'd.e.f', proposer: { id: 'x', name: 'the first' } };
      case 'approve': {
        const { id, name } = request.caller;
        const signature = { jws: 'j', keys: 'k', approver: { id, name } };
        const released = { released: 100_000, sent: encodeNumberSet([1]) };
        await this.keep(request, { t: 'signed', atMs: Date.now(), signature, ...released });
        return await this.#command(request.org, request.id);
      }
      case 'cancel': {
        const by = { id: request.caller.id, name: request.caller.name };
        await this.keep(request, {
          t: 'cancel',
          atMs: Date.now(),
          by,
          code: 'cancelled',
          message: request.reason ?? '',
        });
        return await this.#command(request.org, request.id);
      }
      case 'policy':
        return { t: 'policy', policy: { limits: [], approval: [{ actions: ['host.*'], role: 'responder' }] } };
      case 'list': {
        const { org, before, status, limit } = request;
        const ids = this.#ids.filter((id) => before === undefined || id < before).toReversed();
        const commands = (await Promise.all(ids.map((id) => this.read(org, id)))).filter((one) => one !== undefined);
        const selected = commands.filter((one) => status === undefined || one.status === status);
        return { t: 'list', commands: selected.slice(0, limit) };
      }
    }
  }

  async #submit(
    request: { readonly org: OrgId; readonly requestKey?: string },
    change: Partial<CommandRecord>,
  ): Promise<CommandReply> {
    const { org, requestKey } = request;
    const known = requestKey === undefined ? undefined : this.#byKey.get(requestKey);
    if (known !== undefined) return { ...(await this.#command(org, known)), repeated: true };
    const approval = this.needsApproval ? { approval: { why: 'the policy says so', role: 'responder' as const } } : {};
    const { id } = await this.make({ ...change, ...approval });
    if (requestKey !== undefined) this.#byKey.set(requestKey, id);
    return await this.#command(org, id);
  }

  async #command(org: OrgId, id: CommandId): Promise<Extract<CommandReply, { t: 'command' }>> {
    const command = await this.read(org, id);
    if (command === undefined) throw new Error(`no command ${id}`);
    return { t: 'command', command, repeated: false };
  }
}

function recordOf(request: {
  readonly org: OrgId;
  readonly caller: SubmitCommand['caller'];
  readonly dryRun: boolean;
  readonly action?: string;
  readonly params?: SubmitCommand['params'];
  readonly reason?: string;
}): Partial<CommandRecord> {
  const { org, caller, dryRun, action, params, reason } = request;
  return {
    org,
    dryRun,
    operator: { id: caller.id, name: caller.name, role: caller.role },
    ...(action === undefined ? {} : { action }),
    ...(params === undefined ? {} : { params }),
    ...(reason === undefined ? {} : { reason }),
  };
}
