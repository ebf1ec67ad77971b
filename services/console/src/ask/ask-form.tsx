import { useQuery } from '@tanstack/react-query';
import { Suspense, useState, type ReactNode } from 'react';
import { client } from '../api/client.js';
import { LiveCount, useLiveCounts } from '../selector/live-count.js';
import { SelectorBox } from '../selector/selector-box.js';
import { Button, Kbd, Select } from '../ui/controls.js';
import { lazyPart } from '../ui/lazy-part.js';
import { WAITS, type Draft } from './draft.js';
import { Parameters } from './parameters.js';
import { QuestionsPanel } from './questions-panel.js';
import type { SqlFault } from './sql-editor.js';
import styles from './ask-form.module.css';

const SqlEditor = lazyPart(() => import('./sql-editor.js').then(({ SqlEditor: component }) => component));

const TIMEOUTS = ['5s', '10s', '30s', '2m', '10m'];
const NO_TABLES: readonly never[] = [];

interface AskFormProps {
  readonly draft: Draft;
  readonly onDraft: (draft: Draft) => void;
  /** `typed` is newer than the draft. */
  readonly onRun: (typed?: Partial<Draft>) => void;
  readonly isStarting: boolean;
  readonly fault: { readonly field: 'sql' | 'reduce'; readonly place: SqlFault } | undefined;
  /** Why this person cannot ask; undefined when they can. */
  readonly refusal: string | undefined;
}

/** The question as it would be asked: statement, parameters, endpoints, how. */
export function AskForm({ draft, onDraft, onRun, isStarting, fault, refusal }: AskFormProps) {
  const [isChoosing, setChoosing] = useState(false);
  const [hasReduce, setReduce] = useState(draft.reduce !== '');
  const live = useLiveCounts(draft.selector);
  const change = (part: Partial<Draft>): void => onDraft({ ...draft, ...part });
  const isReduceShown = hasReduce || draft.reduce !== '';
  return (
    <form
      className={styles['form']}
      aria-label="Question"
      onSubmit={(event) => {
        event.preventDefault();
        onRun();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) onRun();
      }}
    >
      <Statements draft={draft} onDraft={onDraft} onRun={onRun} isReduceShown={isReduceShown} fault={fault} />
      <Parameters draft={draft} onDraft={onDraft} />
      <div className={styles['target']}>
        <SelectorBox
          label="Which endpoints"
          value={draft.selector}
          onChange={(selector) => change({ selector })}
          onEnter={() => onRun()}
        />
        <LiveCount live={live} />
      </div>
      <Options
        draft={draft}
        onDraft={onDraft}
        isReduceShown={isReduceShown}
        onReduce={setReduce}
        onQuestions={() => setChoosing(true)}
      >
        {refusal !== undefined && <span className={styles['fault']}>{refusal}</span>}
        <Button look="primary" type="submit" isDisabled={isStarting || refusal !== undefined}>
          {isStarting ? 'Starting…' : 'Run'} <Kbd>Ctrl ↵</Kbd>
        </Button>
      </Options>
      {isChoosing && (
        <QuestionsPanel
          draft={draft}
          onChoose={(chosen) => {
            onDraft(chosen);
            setChoosing(false);
          }}
          onSaved={(saved) => change({ saved })}
          onClose={() => setChoosing(false)}
        />
      )}
    </form>
  );
}

/** How the question is asked. */
function Options({
  draft,
  onDraft,
  isReduceShown,
  onReduce,
  onQuestions,
  children,
}: {
  draft: Draft;
  onDraft: (draft: Draft) => void;
  isReduceShown: boolean;
  onReduce: (isShown: boolean) => void;
  onQuestions: () => void;
  children: ReactNode;
}) {
  const change = (part: Partial<Draft>): void => onDraft({ ...draft, ...part });
  const timeouts = [...new Set([...TIMEOUTS, draft.timeout])];
  return (
    <div className={styles['options']}>
      <Select
        label="Rows"
        isLabelHidden
        value={draft.group ? 'group' : 'raw'}
        choices={[
          { id: 'raw', label: 'rows with their endpoint' },
          { id: 'group', label: 'equal rows once' },
        ]}
        onChange={(id) => change({ group: id === 'group' })}
      />
      <Select
        label="Time each endpoint has"
        isLabelHidden
        value={draft.timeout}
        choices={timeouts.map((id) => ({ id, label: `within ${id}` }))}
        onChange={(timeout) => change({ timeout })}
      />
      <Select
        label="Waiting for absent endpoints"
        isLabelHidden
        value={draft.wait}
        choices={[
          { id: '', label: 'connected ones only' },
          ...Object.keys(WAITS).map((id) => ({ id, label: `absent ones too, for ${id}` })),
        ]}
        onChange={(wait) => change({ wait })}
      />
      <Button
        onPress={() => {
          onReduce(!isReduceShown);
          if (isReduceShown) change({ reduce: '' });
        }}
      >
        {isReduceShown ? 'No reduce' : 'Reduce'}
      </Button>
      <Button onPress={onQuestions}>Questions</Button>
      <span className={styles['space']} />
      {children}
    </div>
  );
}

/** The statement, and the one that reduces its rows, with what the server found wrong in them. */
function Statements({
  draft,
  onDraft,
  onRun,
  isReduceShown,
  fault,
}: Pick<AskFormProps, 'draft' | 'onDraft' | 'onRun' | 'fault'> & { isReduceShown: boolean }) {
  const tables = useQuery({
    queryKey: ['tables'],
    queryFn: ({ signal }) => client.call('GET /v1/tables', { signal }),
    staleTime: Infinity,
  });
  const change = (part: Partial<Draft>): void => onDraft({ ...draft, ...part });
  return (
    <>
      <Suspense fallback={<div className={styles['loading']}>Loading the editor…</div>}>
        <SqlEditor
          label="SQL"
          value={draft.sql}
          onChange={(sql) => change({ sql })}
          onRun={(sql) => onRun({ sql })}
          tables={tables.data?.items ?? NO_TABLES}
          fault={fault?.field === 'sql' ? fault.place : undefined}
          hint="SELECT … FROM a table"
        />
        {isReduceShown && (
          <SqlEditor
            label="Reduce: a second SELECT over all rows"
            value={draft.reduce}
            onChange={(reduce) => change({ reduce })}
            onRun={(reduce) => onRun({ reduce })}
            tables={NO_TABLES}
            fault={fault?.field === 'reduce' ? fault.place : undefined}
            hint="reduce: SELECT … FROM rows, over the rows of the whole fleet"
          />
        )}
      </Suspense>
      {fault !== undefined && (
        <p className={styles['fault']} role="alert">
          {fault.field === 'reduce' ? 'Reduce: ' : ''}
          {fault.place.message}
        </p>
      )}
    </>
  );
}
