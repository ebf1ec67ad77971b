import type { QueryJson } from '@muster/api-contract';
import type { RowSource } from '../rows/row-source.js';
import { whole } from '../text/numbers.js';
import { ActionMenu, type Choice } from '../ui/controls.js';
import { download } from '../ui/download.js';
import type { ResultColumn } from './columns.js';

/** Takes a result away: what is seen, everything, the errors, a link. */
export function ExportMenu({
  query,
  source,
  columns,
  shown,
  failures,
}: {
  query: QueryJson;
  source: RowSource;
  columns: readonly ResultColumn[];
  shown: number;
  failures: number;
}) {
  const items: Choice[] = [
    { id: 'view', label: 'CSV of this view', note: `${whole(shown)} lines` },
    { id: 'csv', label: 'CSV of all rows', note: 'formulas neutralised' },
    { id: 'ndjson', label: 'NDJSON of all rows' },
    { id: 'errors', label: 'CSV of errors', note: whole(failures), isDisabled: failures === 0 },
    { id: 'link', label: 'Copy link' },
  ];
  const merged = query.retryOf === undefined ? '' : '&merged=true';
  const act = async (id: string): Promise<void> => {
    if (id === 'link') await navigator.clipboard.writeText(globalThis.location.href);
    else if (id === 'errors') download(await source.ask<Blob>({ kind: 'failuresCsv' }), `${query.id}-errors.csv`);
    else if (id === 'view') {
      const keys = columns.map(({ key }) => key);
      const names = columns.map(({ name }) => name);
      download(await source.ask<Blob>({ kind: 'csv', keys, names }), `${query.id}-view.csv`);
    } else download(`/v1/queries/${query.id}/rows?format=${id}&formulas=escape${merged}`, `${query.id}.${id}`);
  };
  return <ActionMenu label="Export" items={items} onAction={(id) => void act(id)} />;
}
