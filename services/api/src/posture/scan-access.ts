import { AppError } from '@muster/protocol';
import type { PackReference, QueryRecord } from '@muster/records';
import type { Principal } from '../http/principal.js';
import type { QueryStore } from '../queries/query-store.js';

export type ScanQuery = QueryRecord & { readonly pack: PackReference };

/** @throws AppError `not_found`, also for a query that is no scan */
export async function findScan(
  store: Pick<QueryStore, 'findReadable'>,
  principal: Principal,
  id: string,
): Promise<ScanQuery> {
  const query = await store.findReadable(principal, id);
  if (query.pack === undefined) throw new AppError('not_found', `there is no scan ${id}; ${id} is a query`);
  return asScan(query);
}

export function asScan(record: QueryRecord): ScanQuery {
  const { pack } = record;
  if (pack === undefined) throw new AppError('internal', `query ${record.id} is no scan`);
  return { ...record, pack };
}
