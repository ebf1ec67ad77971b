import type { CommandJson, CommandTargetChangeJson } from '@muster/api-contract';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { LedgerBar } from '../ledger/ledger-bar.js';
import { commandSegments } from '../ledger/segments.js';
import { useTime } from '../preferences/time.js';
import { plural } from '../text/numbers.js';
import { visible } from '../text/visible.js';
import { Button } from '../ui/controls.js';
import { Notice, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { ApprovalCard } from './approval-card.js';
import { CommandActions } from './command-actions.js';
import { useCommandFeed } from './command-feed.js';
import { badly } from './command-list.js';
import styles from './commands.module.css';

/** One command, live: what it does, how each target fares, cancel, undo, again for those that failed. */
export function CommandView({ commandId }: { commandId: string }) {
  const { command, targets, problem, isStalled, isLost } = useCommandFeed(commandId);
  if (command === undefined && problem === undefined) return <Waiting what="Opening the command…" />;
  return (
    <div className={styles['page']}>
      {problem !== undefined && (
        <Notice tone="danger">{visible(problem.detail ?? 'This command is not known.')}</Notice>
      )}
      {command !== undefined && (
        <>
          <Head command={command} />
          {isLost && <Notice tone="warning">The connection was lost. It goes on as soon as the server answers.</Notice>}
          {isStalled && <Notice tone="warning">The message broker does not answer: nobody knows how it stands.</Notice>}
          {command.cancel !== undefined && (
            <Notice tone="warning">
              {command.cancel.code.replaceAll('_', ' ')} by {visible(command.cancel.by.name)}:{' '}
              {visible(command.cancel.message)}
            </Notice>
          )}
          {command.status === 'awaiting_approval' && <ApprovalCard command={command} />}
          <Targets command={command} targets={targets} />
        </>
      )}
    </div>
  );
}

/** What was commanded, by whom, and what can be done with it. */
function Head({ command }: { command: CommandJson }) {
  const time = useTime();
  return (
    <>
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
    </>
  );
}

/** The ledger; and each target, or those of one state. */
function Targets({
  command,
  targets,
}: {
  command: CommandJson;
  targets: readonly (CommandTargetChangeJson | undefined)[];
}) {
  const [state, setState] = useState<string>();
  const columns = useColumns();
  const known = targets.filter((target) => target !== undefined);
  const shown = state === undefined ? known : known.filter((target) => target.state === state);
  const { ledger, status } = command;
  return (
    <>
      <LedgerBar
        segments={commandSegments(ledger)}
        targeted={ledger.targeted}
        onOpen={(key) => setState(state === key ? undefined : key)}
      />
      <p className="vh" role="status">
        {status === 'ended' ? `ended: ${ledger.succeeded} succeeded, ${badly(ledger)} did not` : ''}
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
    </>
  );
}

function useColumns(): readonly GridColumn<CommandTargetChangeJson>[] {
  const time = useTime();
  return useMemo(
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
}
