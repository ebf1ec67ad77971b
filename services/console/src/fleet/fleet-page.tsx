import type { AgentJson } from '@muster/api-contract';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { ActButton } from '../act/act-button.js';
import { useTime } from '../preferences/time.js';
import { LiveCount, useLiveCounts } from '../selector/live-count.js';
import { SelectorBox, selectorFault } from '../selector/selector-box.js';
import { ScanButton } from '../scans/scan-button.js';
import { useCan } from '../session/session.js';
import { Grid } from '../grid/grid.js';
import { plural, whole } from '../text/numbers.js';
import { ActionMenu, Button } from '../ui/controls.js';
import { download } from '../ui/download.js';
import { Empty, Failure } from '../ui/notice.js';
import { agentColumns, DEFAULT_COLUMNS } from './agent-columns.js';
import { AgentList } from './agent-list.js';
import { agentsCsv } from './agents-csv.js';
import { Breakdown, FleetNumbers } from './fleet-numbers.js';
import { LabelPanel } from './label-panel.js';
import { ModePanel } from './mode-panel.js';
import { useSelection } from './use-selection.js';
import styles from './fleet.module.css';

const BY = ['os', 'version', 'env', 'site', 'role'] as const;

/** Fleet: how many there are, and a list to choose from. The address has selector and columns. */
export default function FleetPage() {
  const search: { selector?: unknown; columns?: unknown } = useSearch({ strict: false });
  const selector = typeof search.selector === 'string' ? search.selector : '';
  const shown = typeof search.columns === 'string' ? search.columns.split(',') : DEFAULT_COLUMNS;
  const navigate = useNavigate();
  const [text, setText] = useState(selector);
  useEffect(() => setText(selector), [selector]);
  const go = useCallback(
    (next: { selector?: string; columns?: string }) => {
      const entries = Object.entries({ ...search, ...next }).filter(([, value]) => value !== '' && value !== undefined);
      void navigate({ to: '/fleet', search: Object.fromEntries(entries) as never, replace: true });
    },
    [navigate, search],
  );
  const [reloads, setReloads] = useState(0);
  const { counts } = useLiveCounts(selector, BY);
  const typed = useLiveCounts(text);
  const list = useAgentList(selector, reloads);
  const time = useTime();
  const key = shown.join();
  const columns = useMemo(() => agentColumns(time).filter(({ id }) => key.split(',').includes(id)), [time, key]);
  const selection = useSelection(list.agents);
  return (
    <div className={styles['page']}>
      <h1 className="vh">Fleet</h1>
      <FleetNumbers counts={counts} selector={selector} />
      <Breakdown
        counts={counts}
        by={BY}
        onValue={(label, value) =>
          go({ selector: [selector, `${label}=${value}`].filter((one) => one !== '').join(',') })
        }
      />
      <div className={styles['tools']}>
        <div className={styles['grow']}>
          <SelectorBox
            value={text}
            onChange={setText}
            onEnter={() => selectorFault(text) === undefined && go({ selector: text })}
          />
          <LiveCount live={typed} />
        </div>
        <Button
          isDisabled={text === selector || selectorFault(text) !== undefined}
          onPress={() => go({ selector: text })}
        >
          Show
        </Button>
        <ColumnMenu shown={shown} onColumns={(next) => go({ columns: next })} />
        <Button onPress={() => setReloads(reloads + 1)}>Reload</Button>
        <Button onPress={() => void agentsCsv(selector, time).then((blob) => download(blob, 'fleet.csv'))}>CSV</Button>
      </div>
      <SelectionBar selection={selection} selector={selector} total={counts?.total} />
      {list.error !== undefined && <Failure error={list.error} onRetry={() => setReloads(reloads + 1)} />}
      <div className={styles['list']}>
        {list.isComplete && list.agents.length === 0 ? (
          <Empty title={selector === '' ? 'No endpoint is enrolled' : 'Nobody matches'}>
            <p>
              {selector === ''
                ? 'Install the agent on an endpoint; it appears here.'
                : 'No endpoint that you may see has these labels.'}
            </p>
          </Empty>
        ) : (
          <Grid
            label="Endpoints"
            columns={columns}
            length={list.isComplete ? list.agents.length : Math.max(counts?.total ?? 0, list.agents.length)}
            rowAt={(place) => list.agents[place]}
            onLook={list.look}
            onOpen={({ agentId }: AgentJson) => void navigate({ to: '/fleet/$agentId', params: { agentId } })}
            selection={selection.forGrid}
          />
        )}
      </div>
    </div>
  );
}

function useAgentList(selector: string, reloads: number) {
  const list = useMemo(() => new AgentList(selector), [selector, reloads]);
  useEffect(() => {
    list.look(0, 0);
    return () => list.close();
  }, [list]);
  const state = useSyncExternalStore(list.subscribe, list.state);
  return { ...state, look: list.look };
}

function ColumnMenu({ shown, onColumns }: { shown: readonly string[]; onColumns: (columns: string) => void }) {
  const time = useTime();
  const all = agentColumns(time).map(({ id, name }) => ({ id, name }));
  const toggle = (id: string): void => {
    const next = all.filter((column) => (column.id === id ? !shown.includes(id) : shown.includes(column.id)));
    onColumns(next.map((column) => column.id).join());
  };
  return (
    <ActionMenu
      label="Columns"
      small={false}
      items={all.map(({ id, name }) => ({ id, label: name, note: shown.includes(id) ? '✓' : '' }))}
      onAction={toggle}
    />
  );
}

/** What can be done with those that are selected; or with all that match. */
function SelectionBar({
  selection,
  selector,
  total,
}: {
  selection: ReturnType<typeof useSelection>;
  selector: string;
  total: number | undefined;
}) {
  const can = useCan();
  const [open, setOpen] = useState<'labels' | 'mode'>();
  const { chosen, clear } = selection;
  const isAll = chosen.size === 0;
  const agentIds = [...chosen.keys()];
  const target = isAll ? { kind: 'selector' as const, selector } : { kind: 'agents' as const, agentIds };
  return (
    <div className={styles['selected']}>
      <span role="status">
        {isAll
          ? `${total === undefined ? 'All' : whole(total)} that match`
          : `${plural(chosen.size, 'endpoint')} selected`}
      </span>
      {!isAll && (
        <Button small look="quiet" onPress={clear}>
          Clear
        </Button>
      )}
      <ActButton target={target} label={isAll ? 'Act on all…' : 'Act…'} />
      <ScanButton target={target} />
      {can('agents:label') && (
        <Button small onPress={() => setOpen('labels')}>
          Labels…
        </Button>
      )}
      {can('agents:mode') && (
        <Button small onPress={() => setOpen('mode')}>
          Live or Poll…
        </Button>
      )}
      {open === 'labels' && <LabelPanel target={target} onClose={() => setOpen(undefined)} />}
      {open === 'mode' && <ModePanel target={target} onClose={() => setOpen(undefined)} />}
    </div>
  );
}
