import { parentPort } from 'node:worker_threads';
import { readAnswerBlock, readGroupBlock } from '@muster/records';
import { createReducer, type Reducer } from '@muster/tables';
import type { ReduceReply, ReduceRequest } from './reduce-thread.js';

interface Group {
  readonly endpoints: number;
  readonly row: Uint8Array;
}

/**
 * One reduction: takes the blocks of a query, and of those that it asks again, in the order of their result streams,
 * then runs one statement over them. Groups are collected first, since a later version of a group replaces the earlier
 * one.
 */
class Reduction {
  readonly #reducer: Reducer;
  /** By query, then by index. */
  readonly #groups: Map<number, Group>[] = [];
  /** Blocks of groups that do not count yet. */
  readonly #toCome: Uint8Array[] = [];

  constructor(reducer: Reducer) {
    this.#reducer = reducer;
  }

  answer(request: Exclude<ReduceRequest, { t: 'open' }>): ReduceReply {
    switch (request.t) {
      case 'answers': {
        const names = new Map(request.names.map(([num, agentId, host]) => [num, { agentId, host }]));
        for (const { num, rows } of readAnswerBlock(request.block)) {
          const { agentId, host } = names.get(num) ?? { agentId: `#${num}`, host: '' };
          const inserted = this.#reducer.insertRaw(agentId, host, rows);
          if (!inserted.ok) return { t: 'failed', message: inserted.message };
        }
        return { t: 'taken' };
      }
      case 'groups':
        this.#toCome.push(request.block);
        if (!request.more) for (const block of this.#toCome.splice(0)) this.#addGroups(request.query, block);
        return { t: 'taken' };
      case 'run':
        return this.#run(request);
    }
  }

  #addGroups(query: number, block: Uint8Array): void {
    const groups = (this.#groups[query] ??= new Map());
    for (const { index, endpoints, row } of readGroupBlock(block)) groups.set(index, { endpoints, row });
  }

  /** Equal rows of several queries are one: an endpoint is asked again only where it gave no answer. */
  #allGroups(): Iterable<Group> {
    const queries = this.#groups.filter((groups) => groups !== undefined);
    if (queries.length <= 1) return queries[0]?.values() ?? [];
    const merged = new Map<string, Group>();
    for (const { endpoints, row } of queries.flatMap((groups) => [...groups.values()])) {
      const key = Buffer.from(row).toString('latin1');
      merged.set(key, { row, endpoints: endpoints + (merged.get(key)?.endpoints ?? 0) });
    }
    return merged.values();
  }

  #run({ sql, parameters, limits }: ReduceRequest & { t: 'run' }): ReduceReply {
    for (const { endpoints, row } of this.#allGroups()) {
      const inserted = this.#reducer.insertGroup(endpoints, row);
      if (!inserted.ok) return { t: 'failed', message: inserted.message };
    }
    const result = this.#reducer.run(sql, limits, parameters);
    if (result.ok) return { t: 'reduced', columns: result.columns.map((column) => column.name), rows: result.rows };
    switch (result.code) {
      case 'over_budget':
      case 'failed':
      case 'unavailable':
      case 'stopped':
        return { t: 'failed', message: result.message };
      default:
        return { t: 'refused', failure: result };
    }
  }
}

if (parentPort !== null) {
  const port = parentPort;
  // Loads the engine before the first request. SQLite's heap limit can only be lowered later, so it starts high.
  (await createReducer({ form: 'group', columns: [], heapBytes: 2 ** 31 - 1 })).close();
  let reduction: Reduction | undefined;
  const answer = async (request: ReduceRequest): Promise<ReduceReply> => {
    if (request.t === 'open') {
      reduction = new Reduction(await createReducer({ ...request.shape, heapBytes: request.heapBytes }));
      return { t: 'taken' };
    }
    return reduction === undefined ? { t: 'failed', message: 'the reduction is not open' } : reduction.answer(request);
  };
  port.on('message', (request: ReduceRequest) => {
    answer(request).then(
      (reply) => port.postMessage(reply, reply.t === 'reduced' ? [reply.rows.buffer] : []),
      (error: unknown) => port.postMessage({ t: 'failed', message: String(error) } satisfies ReduceReply),
    );
  });
}
