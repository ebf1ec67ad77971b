import { summaryOf, type CommandSummary } from '@muster/messages';
import type { CommandId, OrgId } from '@muster/protocol';
import type { CommandStatus } from '@muster/records';
import type { OpenCommand } from './open-command.js';

export interface ListOptions {
  readonly before?: CommandId;
  readonly limit: number;
  readonly status?: CommandStatus;
}

/** Commands by id: open ones complete, and summaries of the latest ended ones. */
export class KnownCommands {
  readonly #keepEnded: number;
  readonly #open = new Map<CommandId, OpenCommand>();
  readonly #ended = new Map<CommandId, CommandSummary>();
  /** Ids of an org in rising order, which is nearly the order in which they arrive. */
  readonly #ids = new Map<OrgId, CommandId[]>();

  constructor(keepEnded: number) {
    this.#keepEnded = keepEnded;
  }

  get openCount(): number {
    return this.#open.size;
  }

  all(): Iterable<OpenCommand> {
    return this.#open.values();
  }

  open(id: CommandId): OpenCommand | undefined {
    return this.#open.get(id);
  }

  has(id: CommandId): boolean {
    return this.#open.has(id) || this.#ended.has(id);
  }

  summary(org: OrgId, id: CommandId): CommandSummary | undefined {
    const open = this.#open.get(id);
    const summary = open === undefined ? this.#ended.get(id) : summaryOf(open.fold);
    return summary?.record.org === org ? summary : undefined;
  }

  add(command: OpenCommand): void {
    this.#open.set(command.id, command);
    const ids = this.#ids.get(command.org) ?? [];
    this.#ids.set(command.org, ids);
    let at = ids.length;
    while (at > 0 && (ids[at - 1] as CommandId) > command.id) at -= 1;
    ids.splice(at, 0, command.id);
  }

  end(command: OpenCommand): void {
    this.#open.delete(command.id);
    this.#ended.set(command.id, summaryOf(command.fold));
    if (this.#ended.size > this.#keepEnded) for (const oldest of this.#ended.keys()) return this.#drop(oldest);
  }

  clear(): void {
    this.#open.clear();
    this.#ended.clear();
    this.#ids.clear();
  }

  /** Newest first. */
  list(org: OrgId, { before, limit, status }: ListOptions): CommandSummary[] {
    const ids = this.#ids.get(org) ?? [];
    const found: CommandSummary[] = [];
    for (let i = before === undefined ? ids.length : indexOf(ids, before); i > 0 && found.length < limit; i -= 1) {
      const summary = this.summary(org, ids[i - 1] as CommandId);
      if (summary !== undefined && (status === undefined || summary.status === status)) found.push(summary);
    }
    return found;
  }

  #drop(id: CommandId): void {
    const org = this.#ended.get(id)?.record.org;
    this.#ended.delete(id);
    const ids = org === undefined ? undefined : this.#ids.get(org);
    if (ids === undefined) return;
    const at = ids.indexOf(id);
    if (at >= 0) ids.splice(at, 1);
  }
}

/** The index of the first id that is not lower. Most searches are for one of the newest. */
function indexOf(ids: readonly CommandId[], id: CommandId): number {
  return ids.findLastIndex((each) => each < id) + 1;
}
