import type { AgentJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { Suspense, useState } from 'react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import { ActButton } from '../act/act-button.js';
import { client } from '../api/client.js';
import { State } from '../fleet/agent-columns.js';
import { LabelPanel } from '../fleet/label-panel.js';
import { ModePanel } from '../fleet/mode-panel.js';
import { useTime } from '../preferences/time.js';
import { ScanButton } from '../scans/scan-button.js';
import { useCan } from '../session/session.js';
import { bytes } from '../text/numbers.js';
import { Button } from '../ui/controls.js';
import { lazyPart } from '../ui/lazy-part.js';
import { Failure, Notice, Waiting } from '../ui/notice.js';
import { useTab } from '../ui/use-tab.js';
import { VisibleText } from '../ui/visible-text.js';
import { EndpointCommands } from './endpoint-commands.js';
import { EndpointFindings } from './endpoint-findings.js';
import { EndpointTable } from './endpoint-table.js';
import { sqlFor, TABLES } from './tables.js';
import styles from './endpoint.module.css';

const Charts = lazyPart(() => import('./charts.js').then(({ Charts: component }) => component));
const REFRESH_MS = 5_000;
const SWITCHING_MS = 1_000;

/** One endpoint: who it is, how it fares, what is on it, what can be done. */
export default function EndpointPage() {
  const { agentId = '' } = useParams({ strict: false }) as { agentId?: string };
  const agent = useQuery({
    queryKey: ['agent', agentId],
    queryFn: ({ signal }) => client.call('GET /v1/agents/{id}', { params: { id: agentId }, signal }),
    refetchInterval: ({ state }) => (isSwitching(state.data) ? SWITCHING_MS : REFRESH_MS),
  });
  if (agent.data === undefined)
    return agent.error === null ? (
      <Waiting what="Opening the endpoint…" />
    ) : (
      <Failure error={agent.error} onRetry={() => void agent.refetch()} />
    );
  return <Endpoint key={agentId} agent={agent.data} />;
}

const OWN_TABS = [
  { id: 'overview', name: 'Overview', permission: '' },
  { id: 'commands', name: 'Commands', permission: 'commands:read' },
  { id: 'findings', name: 'Findings', permission: 'queries:read' },
] as const;

/** Whether it is connected by another channel than was ordered. */
function isSwitching(agent: AgentJson | undefined): boolean {
  const state = agent?.presence.state;
  return agent?.wanted !== undefined && (state === 'live' || state === 'poll') && state !== agent.wanted.mode;
}

function Endpoint({ agent }: { agent: AgentJson }) {
  const { agentId, host, presence, osName, osVersion, os } = agent;
  const can = useCan();
  const tabs = [...OWN_TABS.filter(({ permission }) => permission === '' || can(permission)), ...TABLES];
  const { tab, choose, page } = useTab(tabs.map(({ id }) => id));
  const [open, setOpen] = useState<'mode' | 'labels'>();
  const target = { kind: 'agents' as const, agentIds: [agentId] };
  const isReachable = presence.state === 'live' || presence.state === 'poll';
  return (
    <div className={styles['page']} ref={page}>
      <div className={styles['title']}>
        <h1>
          <VisibleText text={host} max={80} />
        </h1>
        <State state={agent.revoked === undefined ? presence.state : 'revoked'} />
        <span className={styles['soft']}>
          <VisibleText text={`${osName} ${osVersion}, ${agent.arch}`} />
        </span>
        <span className={styles['space']} />
        <ActButton target={target} platforms={[os]} />
        <ScanButton target={target} />
        {can('agents:mode') && (
          <Button small onPress={() => setOpen('mode')}>
            Live or Poll…
          </Button>
        )}
        {can('agents:label') && (
          <Button small onPress={() => setOpen('labels')}>
            Labels…
          </Button>
        )}
      </div>
      {agent.revoked !== undefined && (
        <Notice tone="danger">
          Revoked: <VisibleText text={agent.revoked.reason} />
        </Notice>
      )}
      {agent.duplicate !== undefined && (
        <Notice tone="warning">
          Another machine presented this identity:{' '}
          <VisibleText text={`${agent.duplicate.refusedHost} at ${agent.duplicate.refusedAddress}`} />. It was refused.
        </Notice>
      )}
      <Tabs className={styles['tabs'] ?? ''} selectedKey={tab} onSelectionChange={(key) => choose(String(key))}>
        <TabList className={styles['tablist'] ?? ''} aria-label="About this endpoint">
          {tabs.map(({ id, name }) => (
            <Tab key={id} id={id} className={styles['tab'] ?? ''}>
              {name}
            </Tab>
          ))}
        </TabList>
        <TabPanel id="overview" className={styles['panel'] ?? ''}>
          <Facts agent={agent} />
          <Suspense fallback={<Waiting what="Loading charts…" />}>
            <Charts agentId={agentId} />
          </Suspense>
        </TabPanel>
        <TabPanel id="commands" className={styles['panel'] ?? ''}>
          <EndpointCommands agentId={agentId} />
        </TabPanel>
        <TabPanel id="findings" className={styles['panel'] ?? ''}>
          <EndpointFindings agentId={agentId} />
        </TabPanel>
        {TABLES.map(({ id, sql, ...more }) => (
          <TabPanel key={id} id={id} className={styles['panel'] ?? ''}>
            {!isReachable && <Notice tone="warning">The endpoint is away: it cannot be asked now.</Notice>}
            {tab === id && <EndpointTable agentId={agentId} sql={sqlFor(sql, os)} {...more} />}
          </TabPanel>
        ))}
      </Tabs>
      {open === 'mode' && <ModePanel target={target} onClose={() => setOpen(undefined)} />}
      {open === 'labels' && <LabelPanel target={target} onClose={() => setOpen(undefined)} />}
    </div>
  );
}

function Facts({ agent }: { agent: AgentJson }) {
  const time = useTime();
  const can = useCan();
  const metrics = useQuery({
    queryKey: ['agent', agent.agentId, 'metrics'],
    queryFn: ({ signal }) => client.call('GET /v1/agents/{id}/metrics', { params: { id: agent.agentId }, signal }),
    refetchInterval: REFRESH_MS,
  });
  const traffic = useQuery({
    queryKey: ['agent', agent.agentId, 'bandwidth'],
    queryFn: ({ signal }) => client.call('GET /v1/agents/{id}/bandwidth', { params: { id: agent.agentId }, signal }),
    enabled: can('queries:run') && agent.presence.state === 'live',
    staleTime: 60_000,
  });
  const { presence, wanted, away } = agent;
  const health = metrics.data?.health;
  const carried = traffic.data?.endpoints[0];
  const facts: readonly (readonly [string, string])[] = [
    ['Agent', agent.agentVersion],
    ['Id', agent.agentId],
    ['Enrolled', time.full(agent.enrolledAt)],
    ['Gateway', presence.gatewayId ?? 'none'],
    ['Connected since', presence.connectedAt === undefined ? 'not connected' : time.full(presence.connectedAt)],
    ['Last seen', presence.lastSeenAt === undefined ? 'not known' : time.full(presence.lastSeenAt)],
    ['Channel ordered', wanted === undefined ? 'as the policy says' : `${wanted.mode} by ${wanted.by}`],
    ...(away === undefined ? [] : [['Fell back', `${time.full(away.at)}: ${away.why}`] as const]),
    ...(carried === undefined
      ? []
      : [['Carried', `${bytes(carried.bytes)} since ${time.full(carried.since)}`] as const]),
    ['Health', health === undefined ? 'not known' : healthText(health)],
    [
      'Labels',
      Object.entries(agent.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(' ') || 'none',
    ],
  ];
  return (
    <dl className={styles['facts']}>
      {facts.map(([name, text]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <VisibleText text={text} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function healthText({
  state,
  rules,
}: {
  state: string;
  rules: readonly { rule: string; value?: number | undefined }[];
}): string {
  if (rules.length === 0) return state;
  return `${state}: ${rules.map(({ rule, value }) => (value === undefined ? rule : `${rule} ${value.toFixed(2)}`)).join(', ')}`;
}
