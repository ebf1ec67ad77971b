import { parentPort } from 'node:worker_threads';
import { readAnswerBlock, readGroupBlock } from '@muster/records';
import { createReducer, type Reducer } from '@muster/tables';
import type { ReduceReply, ReduceRequest } from './reduce-thread.js';

/**
 * One reduction: takes a query's blocks in the order of its result stream, then runs one statement over them. Groups are collected
 * first, since a later version of a group replaces the earlier one.
 */
class Reduction {
  readonly #reducer: Reducer;
  readonly #groups = new Map<number, { endpoints: number; row: Uint8Array }>();
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
        if (!request.more) for (const block of this.#toCome.splice(0)) this.#addGroups(block);
        return { t: 'taken' };
      case 'run':
        return this.#run(request);
    }
  }

  #addGroups(block: Uint8Array): void {
    for (const { index, endpoints, row } of readGroupBlock(block)) this.#groups.set(index, { endpoints, row });
  }

  #run({ sql, parameters, limits }: ReduceRequest & { t: 'run' }): ReduceReply {
    for (const { endpoints, row } of this.#groups.values()) {
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
