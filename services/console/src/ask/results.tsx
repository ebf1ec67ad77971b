import type { LedgerJson, QueryJson } from '@muster/api-contract';
import { useCallback, useEffect, useMemo, useState, type ReactNode } from 'react';
import { Grid } from '../grid/grid.js';
import { LedgerBar } from '../ledger/ledger-bar.js';
import { ledgerSentence, querySegments } from '../ledger/segments.js';
import type { Line } from '../rows/protocol.js';
import { exactFilter } from '../rows/row-filter.js';
import type { RowSource, Snapshot } from '../rows/row-source.js';
import { plural, whole } from '../text/numbers.js';
import { Button, Select } from '../ui/controls.js';
import { Waiting } from '../ui/notice.js';
import { groupColumns, resultColumns, type ResultColumn } from './columns.js';
import { ExportMenu } from './export-menu.js';
import { FailuresPanel } from './failures-panel.js';
import { NoRows } from './no-rows.js';
import { OutcomeDrawer, type OpenOutcome } from './outcome-drawer.js';
import { ReducedTable } from './reduced-table.js';
import { ResultFacts } from './result-facts.js';
import { ResultNotices } from './result-notices.js';
import { RowDrawer } from './row-drawer.js';
import { nextSort, viewOf, type AskSearch } from './search.js';
import styles from './results.module.css';

const SAMPLE = 40;

interface ResultsProps {
  readonly source: RowSource;
  readonly rows: Snapshot;
  readonly search: AskSearch;
  readonly onSearch: (search: AskSearch) => void;
  /** What can be done with a row that is open. */
  readonly rowActions?: ((line: Line) => ReactNode) | undefined;
  /** What can be done with the whole result. */
  readonly actions?: ReactNode;
  /** Of one endpoint: without the ledger. */
  readonly isCompact?: boolean;
  /** What it means that everybody answered and there is no row. */
  readonly none?: string | undefined;
}

/** The result of one question: ledger, rows, errors. */
export function Results(props: ResultsProps) {
  const { source, rows, search, onSearch, isCompact = false, none } = props;
  const [outcome, setOutcome] = useState<OpenOutcome>();
  const { query, ledger } = rows;
  const mode = query?.mode ?? 'raw';
  const columns = useColumns(rows, mode);
  const view = viewOf(search, columns);
  const viewText = JSON.stringify(view);
  useEffect(() => source.show(JSON.parse(viewText) as typeof view), [source, viewText]);

  const grouped = columns.find(({ key }) => key === view.groupBy);
  const shown = useMemo(() => (grouped === undefined ? columns : groupColumns(grouped.name)), [grouped, columns]);
  const { opened, close, onOpen } = useOpening(props, grouped);

  if (query === undefined || ledger === undefined)
    return (
      <section className={styles['results']} aria-label="Result">
        <ResultNotices rows={rows} />
        {rows.phase !== 'refused' && rows.phase !== 'signed_out' && <Waiting what="Opening the result…" />}
      </section>
    );

  return (
    <section className={styles['results']} aria-label="Result">
      <Head rows={rows} query={query} ledger={ledger} isCompact={isCompact} onOutcome={setOutcome} />
      <ResultNotices rows={rows} />
      {rows.reduced !== undefined && <ReducedTable reduced={rows.reduced} />}
      <Tools {...props} query={query} columns={columns} />
      <div className={styles['split']}>
        <div className={styles['main']}>
          {rows.kept === 0 ? (
            <NoRows rows={rows} query={query} ledger={ledger} none={none} />
          ) : (
            <ResultGrid
              source={source}
              rows={rows}
              columns={shown}
              search={search}
              onSearch={onSearch}
              onOpen={onOpen}
            />
          )}
        </div>
        <FailuresPanel
          groups={rows.failureGroups}
          warnings={rows.warnings}
          onOpen={({ outcome: key, message }) => setOutcome({ outcome: key, message })}
        />
      </div>
      <Foot rows={rows} isGrouped={grouped !== undefined} />
      {outcome !== undefined && (
        <OutcomeDrawer
          open={outcome}
          source={source}
          isGrouped={mode === 'group'}
          count={countOf(outcome, rows)}
          onClose={() => setOutcome(undefined)}
        />
      )}
      {opened !== undefined && <OpenedRow {...props} line={opened} onClose={close} />}
    </section>
  );
}

/** What a line that is pressed opens: a row its drawer, a group the rows in it. */
function useOpening({ rows, search, onSearch }: ResultsProps, grouped: ResultColumn | undefined) {
  const [opened, setOpened] = useState<Line>();
  const onOpen = useCallback(
    (line: Line) => {
      if (line.group === undefined) return setOpened(line);
      if (grouped === undefined) return;
      const filter = added(search, exactFilter(grouped.key, line.group.value, rows.columns));
      onSearch(withBy(withFilter(search, filter), ''));
    },
    [grouped, onSearch, search, rows.columns],
  );
  return { opened, close: () => setOpened(undefined), onOpen };
}

/** The ledger and what else is known of the question; at its end, a sentence for screen readers. */
function Head({
  rows,
  query,
  ledger,
  isCompact,
  onOutcome,
}: {
  rows: Snapshot;
  query: QueryJson;
  ledger: LedgerJson;
  isCompact: boolean;
  onOutcome: (outcome: OpenOutcome) => void;
}) {
  const segments = querySegments(ledger);
  return (
    <>
      {!isCompact && (
        <div className={styles['head']}>
          <LedgerBar
            segments={segments}
            targeted={ledger.targeted}
            away={ledger.away}
            onOpen={(key) => onOutcome({ outcome: key })}
          />
          <ResultFacts rows={rows} query={query} />
        </div>
      )}
      <p className="vh" role="status">
        {query.state === 'running'
          ? ''
          : `${query.state}: ${ledgerSentence(segments, ledger.targeted)}, ${plural(rows.kept, 'row')}`}
      </p>
    </>
  );
}

/** Filter, grouping, what can be done with all of it. */
function Tools({
  source,
  rows,
  search,
  onSearch,
  actions,
  query,
  columns,
}: ResultsProps & { query: QueryJson; columns: readonly ResultColumn[] }) {
  const choices = [{ id: '', label: 'no grouping' }, ...columns.map(({ id, name }) => ({ id, label: `by ${name}` }))];
  return (
    <div className={styles['tools']}>
      <FilterBox value={search.filter ?? ''} onChange={(filter) => onSearch(withFilter(search, filter))} />
      <Select
        label="Group lines"
        isLabelHidden
        value={search.by ?? ''}
        choices={choices}
        onChange={(by) => onSearch(withBy(search, by))}
      />
      <span className={styles['space']} />
      {actions}
      <ExportMenu query={query} source={source} columns={columns} shown={rows.length} failures={rows.failures} />
    </div>
  );
}

function Foot({ rows, isGrouped }: { rows: Snapshot; isGrouped: boolean }) {
  return (
    <footer className={styles['foot']}>
      <span>
        {rows.length === rows.kept && !isGrouped
          ? plural(rows.kept, rows.query?.mode !== 'group' ? 'row' : 'distinct row')
          : `${plural(rows.length, 'line')} of ${plural(rows.kept, 'row')}`}{' '}
        kept{rows.dropped > 0 ? ` of ${whole(rows.kept + rows.dropped)}` : ''}
      </span>
      <span>{rows.columns.length} columns</span>
    </footer>
  );
}

/** A row with all its columns; a value in it becomes part of the filter. */
function OpenedRow({
  rows,
  search,
  onSearch,
  rowActions,
  line,
  onClose,
}: ResultsProps & { line: Line; onClose: () => void }) {
  return (
    <RowDrawer
      line={line}
      columns={rows.columns}
      onFilter={(filter) => {
        onClose();
        onSearch(withFilter(search, added(search, filter)));
      }}
      onClose={onClose}
    >
      {rowActions?.(line)}
    </RowDrawer>
  );
}

function ResultGrid({
  source,
  rows,
  columns,
  search,
  onSearch,
  onOpen,
}: {
  source: RowSource;
  rows: Snapshot;
  columns: readonly ResultColumn[];
  search: AskSearch;
  onSearch: (search: AskSearch) => void;
  onOpen: (line: Line) => void;
}) {
  const [isAtTop, setAtTop] = useState(true);
  const look = useCallback((from: number, to: number) => source.look(from, to), [source]);
  const isOver = rows.phase === 'ended';
  // Nobody has begun to read: at its end the result is shown whole.
  useEffect(() => {
    if (isOver && isAtTop && rows.pending > 0) source.take();
  }, [isOver, isAtTop, rows.pending, source]);
  const descending = search.sort?.startsWith('-') === true;
  const sort =
    search.sort === undefined ? undefined : { id: descending ? search.sort.slice(1) : search.sort, descending };
  return (
    <>
      {rows.pending > 0 && (
        <div className={styles['pill']}>
          <Button look="primary" small onPress={() => source.take()}>
            {plural(rows.pending, 'new row')}
          </Button>
        </div>
      )}
      <Grid
        label="Rows"
        columns={columns}
        length={rows.length}
        rowAt={rows.line}
        onLook={look}
        onOpen={onOpen}
        onTop={setAtTop}
        sort={search.by === undefined ? sort : undefined}
        onSort={search.by === undefined ? (id) => onSearch(withSort(search, nextSort(search.sort, id))) : undefined}
      />
    </>
  );
}

function FilterBox({ value, onChange }: { value: string; onChange: (filter: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = setTimeout(() => onChange(text), 150);
    return () => clearTimeout(timer);
  }, [text, value, onChange]);
  return (
    <input
      className={styles['filter']}
      aria-label="Filter rows"
      placeholder="filter: word, name:part, port>1024, -not"
      data-slash
      spellCheck={false}
      value={text}
      onChange={({ target }) => setText(target.value)}
    />
  );
}

/** Widths come from the first lines; later ones do not move columns. */
function useColumns(rows: Snapshot, mode: 'raw' | 'group'): readonly ResultColumn[] {
  const { columns } = rows;
  const names = columns.join('\0');
  const sample = Array.from({ length: SAMPLE }, (_, place) => rows.line(place)).filter(
    (line): line is Line => line !== undefined && line.group === undefined,
  );
  const hasSample = sample.length > 0;
  return useMemo(() => resultColumns(columns, mode, sample), [names, mode, hasSample]);
}

function countOf({ outcome, message }: OpenOutcome, rows: Snapshot): number {
  if (message === undefined) return (rows.ledger as Record<string, number | undefined> | undefined)?.[outcome] ?? 0;
  const group = rows.failureGroups.find((one) => one.outcome === outcome && one.message === message);
  return group?.endpoints ?? 0;
}

/** The filter of before, and another term. */
function added({ filter = '' }: AskSearch, term: string): string {
  return `${filter} ${term}`.trim();
}

function withFilter(search: AskSearch, filter: string): AskSearch {
  return changed(search, 'filter', filter);
}
function withSort(search: AskSearch, sort: string | undefined): AskSearch {
  return changed(search, 'sort', sort);
}
function withBy(search: AskSearch, by: string): AskSearch {
  return changed(search, 'by', by);
}

/** An empty value is left out of the address. */
function changed(search: AskSearch, name: keyof AskSearch, value: string | undefined): AskSearch {
  const entries = Object.entries({ ...search, [name]: value }).filter(([, one]) => one !== undefined && one !== '');
  return Object.fromEntries(entries);
}
