import { ApiProblem } from '@muster/api-client';
import { useMutation } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useState } from 'react';
import { client } from '../api/client.js';
import { describe } from '../api/problems.js';
import { useSentOnce } from '../api/sent-once.js';
import { useCan } from '../session/session.js';
import { unanswered } from '../ledger/segments.js';
import type { Snapshot } from '../rows/row-source.js';
import { selectorFault } from '../selector/selector-box.js';
import { whole } from '../text/numbers.js';
import { Button } from '../ui/controls.js';
import { Failure, Notice } from '../ui/notice.js';
import { AskForm } from './ask-form.js';
import { AskStart } from './ask-start.js';
import { bodyOf, draftOf, keepDraft, keptDraft, type Draft, type StartQuery } from './draft.js';
import { Results } from './results.js';
import { RowActions, ResultActions } from './row-actions.js';
import { addressOf, readAskSearch, type AskSearch } from './search.js';
import { useRows } from './use-rows.js';
import styles from './ask-page.module.css';

/** Ask: the question above, its answer below. The address has the query and how it is looked at. */
export default function AskPage() {
  const { queryId } = useParams({ strict: false }) as { queryId?: string };
  const [draft, setDraft] = useState(keptDraft);
  const [origin, setOrigin] = useState<string>();
  const change = useCallback((next: Draft) => {
    setDraft(next);
    keepDraft(next);
  }, []);
  const navigate = useNavigate();
  const can = useCan();
  const sentOnce = useSentOnce();
  const start = useMutation({
    mutationFn: (asked: Draft | StartQuery) =>
      sentOnce.sendMade(
        asked,
        () => ('wait' in asked ? bodyOf(asked) : asked),
        (body, idempotencyKey) => client.call('POST /v1/queries', { body, idempotencyKey }),
      ),
    onSuccess: ({ id }) => {
      setOrigin(id);
      void navigate({ to: '/ask/$queryId', params: { queryId: id } });
    },
  });
  const run = (typed: Partial<Draft> = {}): void => {
    if (start.isPending || !can('queries:run') || selectorFault(draft.selector) !== undefined) return;
    start.mutate({ ...draft, ...typed });
  };
  const fault = faultOf(start.error, draft);
  return (
    <div className={styles['page']}>
      <h1 className="vh">Ask</h1>
      <AskForm
        draft={draft}
        onDraft={change}
        onRun={run}
        isStarting={start.isPending}
        fault={fault}
        refusal={can('queries:run') ? undefined : 'Your role may read results, and not ask.'}
      />
      {start.error !== null && fault === undefined && <Failure error={start.error} onRetry={() => run()} />}
      {queryId === undefined && <AskStart draft={draft} onChoose={change} />}
      {queryId !== undefined && (
        <Answer
          key={queryId}
          queryId={queryId}
          onQuestion={(asked) => {
            // Somebody came by the address: the form says what was asked.
            if (origin !== queryId) change(asked);
            setOrigin(queryId);
          }}
          onRetry={(body) => start.mutate(body)}
        />
      )}
    </div>
  );
}

function Answer({
  queryId,
  onQuestion,
  onRetry,
}: {
  queryId: string;
  onQuestion: (draft: Draft) => void;
  onRetry: (body: StartQuery) => void;
}) {
  const reading = useRows(queryId);
  const { search, isTooLong, onSearch } = useAskSearch(queryId);
  const query = reading?.rows.query;
  const sql = query?.sql;
  useEffect(() => {
    if (query !== undefined) onQuestion(draftOf(query));
    // Once, when the query is known.
  }, [sql]);
  if (reading === undefined) return null;
  const { source, rows } = reading;
  return (
    <>
      {isTooLong && (
        <Notice tone="warning">
          This filter is too long for the address: it applies here, and who opens the address sees all rows.
        </Notice>
      )}
      <Results
        source={source}
        rows={rows}
        search={search}
        onSearch={onSearch}
        rowActions={(line) => <RowActions line={line} rows={rows} />}
        actions={
          <>
            <RunActions queryId={queryId} rows={rows} onRetry={onRetry} />
            <ResultActions rows={rows} source={source} isGrouped={search.by !== undefined} />
          </>
        }
      />
    </>
  );
}

/** How the result is looked at: what the address says, and a filter that is too long for it. */
function useAskSearch(queryId: string) {
  const address = readAskSearch(useSearch({ strict: false }));
  const [long, setLong] = useState<string>();
  const navigate = useNavigate();
  const onSearch = useCallback(
    (next: AskSearch) => {
      const search = addressOf(next);
      setLong(search.filter === undefined ? next.filter : undefined);
      void navigate({ to: '/ask/$queryId', params: { queryId }, search: search as never, replace: true });
    },
    [navigate, queryId],
  );
  const isTooLong = address.filter === undefined && long !== undefined;
  return { search: isTooLong ? { ...address, filter: long } : address, isTooLong, onSearch };
}

/** Cancel while it runs; then ask those again who gave no answer. */
function RunActions({
  queryId,
  rows,
  onRetry,
}: {
  queryId: string;
  rows: Snapshot;
  onRetry: (body: StartQuery) => void;
}) {
  const can = useCan();
  const cancel = useMutation({
    mutationFn: () => client.call('DELETE /v1/queries/{id}', { params: { id: queryId } }),
  });
  const { query, ledger } = rows;
  if (query === undefined || ledger === undefined) return null;
  const failed = unanswered(ledger);
  return (
    <>
      {cancel.error !== null && <span role="alert">{describe(cancel.error)}</span>}
      {query.state === 'running' && can('queries:cancel') && (
        <Button small look="danger" isDisabled={cancel.isPending} onPress={() => cancel.mutate()}>
          Cancel
        </Button>
      )}
      {query.state !== 'running' && failed > 0 && can('queries:run') && (
        <Button small onPress={() => onRetry({ retryOf: queryId, timeoutMs: query.timeoutMs })}>
          Ask the {whole(failed)} again
        </Button>
      )}
    </>
  );
}

/** Where the server found the fault in a statement. */
function faultOf(error: unknown, draft: Draft) {
  if (!(error instanceof ApiProblem)) return undefined;
  const { field, offset, code } = error.problem;
  if (code?.startsWith('sql_') !== true && code !== 'reduce_failed') return undefined;
  const where = field === 'reduce' ? ('reduce' as const) : ('sql' as const);
  const place = { offset: typeof offset === 'number' ? offset : draft[where].length, message: describe(error) };
  return { field: where, place };
}
