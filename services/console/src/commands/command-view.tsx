import type { CommandTargetChangeJson } from '@muster/api-contract';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { client } from '../api/client.js';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { LedgerBar } from '../ledger/ledger-bar.js';
import { commandSegments } from '../ledger/segments.js';
import { useTime } from '../preferences/time.js';
import { useCan } from '../session/session.js';
import { plural } from '../text/numbers.js';
import { visible } from '../text/visible.js';
import { Button } from '../ui/controls.js';
import { Failure, Notice, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { ApprovalCard } from './approval-card.js';
import { useCommandFeed } from './command-feed.js';
import { badly } from './command-list.js';
import styles from './commands.module.css';

/** One command, live: what it does, how each target fares, cancel, undo, order again for those that failed. */
export function CommandView({ commandId }: { commandId: string }) {
  const { command, targets, problem, isStalled, isLost } = useCommandFeed(commandId);
  const [state, setState] = useState<string>();
  const time = useTime();
  const columns = useMemo<readonly GridColumn<CommandTargetChangeJson>[]>(
    () => [
      { id: 'n', name: '#', size: 60, isNumber: true, cell: ({ number }) => number },
      { id: 'host', name: 'host', size: 200, cell: ({ host }) => <VisibleText text={host ?? 'not known'} max={80} /> },
      { id: 'state', name: 'state', size: 110, cell: (target) => target.state.replaceAll('_', ' ') },
      { id: 'code', name: 'code', size: 130, cell: ({ code }) => code },
      {
        id: 'what',
        name: 'what happened',
        size: 520,
        cell: ({ message, effects = [] }) => (
          <VisibleText text={[message, ...effects].filter((one) => one !== '').join('; ')} />
        ),
      },
      { id: 'at', name: 'at', size: 150, cell: ({ at }) => (at === undefined ? '' : time.full(at)) },
    ],
    [time],
  );
  if (problem !== undefined)
    return (
      <div className={styles['page']}>
        <Notice tone="danger">{visible(problem.detail ?? 'This command is not known.')}</Notice>
      </div>
    );
  if (command === undefined) return <Waiting what="Opening the command…" />;
  const known = targets.filter((target) => target !== undefined);
  const shown = state === undefined ? known : known.filter((target) => target.state === state);
  const segments = commandSegments(command.ledger);
  return (
    <div className={styles['page']}>
      <div className={styles['title']}>
        <h1>
          {command.action}
          {command.dryRun && ' (dry run)'}
        </h1>
        <span className={styles['soft']}>
          {command.status.replaceAll('_', ' ')}, by <VisibleText text={command.operator.name} max={60} /> at{' '}
          {time.full(command.submittedAt)}
          {command.approver !== undefined && (
            <>
              , approved by <VisibleText text={command.approver.name} max={60} />
            </>
          )}
        </span>
        <span className={styles['space']} />
        <CommandActions command={command} />
      </div>
      <code className={styles['params']}>
        <VisibleText text={JSON.stringify(command.params)} max={1_000} />
      </code>
      <p className={styles['soft']}>
        For <VisibleText text={command.target} max={200} />
        {command.reason !== undefined && (
          <>
            : <VisibleText text={command.reason} max={300} />
          </>
        )}
        {command.undoes !== undefined && (
          <>
            {' '}
            · undoes{' '}
            <Link to="/commands/$commandId" params={{ commandId: command.undoes }}>
              an earlier one
            </Link>
          </>
        )}
      </p>
      {isLost && <Notice tone="warning">The connection was lost. It goes on as soon as the server answers.</Notice>}
      {isStalled && <Notice tone="warning">The message broker does not answer: nobody knows how it stands.</Notice>}
      {command.cancel !== undefined && (
        <Notice tone="warning">
          {command.cancel.code.replaceAll('_', ' ')} by {visible(command.cancel.by.name)}:{' '}
          {visible(command.cancel.message)}
        </Notice>
      )}
      {command.status === 'awaiting_approval' && <ApprovalCard command={command} />}
      <LedgerBar
        segments={segments}
        targeted={command.ledger.targeted}
        onOpen={(key) => setState(state === key ? undefined : key)}
      />
      <p className="vh" role="status">
        {command.status === 'ended'
          ? `ended: ${command.ledger.succeeded} succeeded, ${badly(command.ledger)} did not`
          : ''}
      </p>
      {state !== undefined && (
        <Notice>
          Only {state.replaceAll('_', ' ')}: {plural(shown.length, 'target')}.{' '}
          <Button small onPress={() => setState(undefined)}>
            Show all
          </Button>
        </Notice>
      )}
      <div className={styles['list']}>
        <Grid label="Targets" columns={columns} length={shown.length} rowAt={(place) => shown[place]} />
      </div>
    </div>
  );
}

function CommandActions({ command }: { command: NonNullable<ReturnType<typeof useCommandFeed>['command']> }) {
  const can = useCan();
  const navigate = useNavigate();
  const { id } = command;
  const open = (commandId: string): void => void navigate({ to: '/commands/$commandId', params: { commandId } });
  const cancel = useMutation({ mutationFn: () => client.call('DELETE /v1/commands/{id}', { params: { id } }) });
  const undo = useMutation({
    mutationFn: () =>
      client.call('POST /v1/commands/{id}/undo', { params: { id }, body: {}, idempotencyKey: crypto.randomUUID() }),
    onSuccess: (undoing) => open(undoing.id),
  });
  const again = useMutation({
    mutationFn: async () => {
      const failed = await client.all('GET /v1/commands/{id}/targets', {
        params: { id },
        query: { state: 'failed,timed_out,expired,cancelled' },
      });
      const agentIds = [...new Set(failed.flatMap(({ agentId }) => (agentId === null ? [] : [agentId])))];
      const body = { action: command.action, params: { ...command.params }, target: { agentIds } };
      return client.call('POST /v1/commands', { body, idempotencyKey: crypto.randomUUID() });
    },
    onSuccess: (next) => open(next.id),
  });
  const actions = useActionOf(command.action);
  const { failed, timed_out, expired, cancelled, succeeded } = command.ledger;
  const isOver = command.status === 'ended' && !command.dryRun;
  // Rows bind a command to objects that may be gone: those are asked for again, not ordered again.
  const isBound = Object.keys(command.params).length === 0 && actions?.binds !== undefined;
  return (
    <>
      {[cancel.error, undo.error, again.error].map((error, at) => error !== null && <Failure key={at} error={error} />)}
      {command.status !== 'ended' && can('commands:cancel') && (
        <Button small look="danger" isDisabled={cancel.isPending} onPress={() => cancel.mutate()}>
          Cancel
        </Button>
      )}
      {isOver && !isBound && failed + timed_out + expired + cancelled > 0 && can('commands:run') && (
        <Button small isDisabled={again.isPending} onPress={() => again.mutate()}>
          Order again for the {failed + timed_out + expired + cancelled}
        </Button>
      )}
      {isOver && succeeded > 0 && actions?.reversible === true && can('commands:run') && (
        <Button small isDisabled={undo.isPending} onPress={() => undo.mutate()}>
          Undo on {plural(succeeded, 'target')}
        </Button>
      )}
    </>
  );
}

function useActionOf(name: string) {
  const actions = useQuery({
    queryKey: ['actions'],
    queryFn: ({ signal }) => client.call('GET /v1/actions', { signal }),
    staleTime: Infinity,
  });
  return actions.data?.items.find((action) => action.name === name);
}
