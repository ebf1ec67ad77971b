import { AppError } from '@muster/protocol';
import { findTable } from './catalogue.js';
import type { Sensitivity } from './table-spec.js';

/**
 * Checks what a statement reads against what its caller may ask. A sensitivity that is not known here is in no list, so that it is refused.
 * @throws AppError `table_forbidden` with `tables` and `sensitivities` in its details.
 */
export function checkTableAccess(names: Iterable<string>, allowed: readonly string[]): void {
  const forbidden = [...names].flatMap((name) => {
    const sensitivity = findTable(name)?.sensitivity;
    return sensitivity === undefined || allowed.includes(sensitivity) ? [] : [[name, sensitivity] as const];
  });
  if (forbidden.length === 0) return;
  const tables = forbidden.map(([name]) => name).toSorted();
  const sensitivities = [...new Set(forbidden.map(([, sensitivity]) => sensitivity))].toSorted();
  const noun = tables.length === 1 ? 'table' : 'tables';
  const what = sensitivities.map((one) => MEANING[one]).join(' and ');
  throw new AppError(
    'table_forbidden',
    `${noun} ${tables.join(', ')} may hold ${what}: the policy of your org does not let your role read it`,
    { details: { tables, sensitivities } },
  );
}

const MEANING: Readonly<Record<Sensitivity, string>> = { personal: 'personal traces', secret: 'secrets' };
