import type { AgentJson } from '@muster/api-contract';
import type { GridColumn } from '../grid/grid-column.js';
import type { TimeFormat } from '../preferences/time.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './fleet.module.css';

export const DEFAULT_COLUMNS = ['host', 'state', 'os', 'version', 'labels', 'seen'] as const;

const text = (id: string, name: string, size: number, of: (agent: AgentJson) => string): GridColumn<AgentJson> => ({
  id,
  name,
  size,
  cell: (agent) => <VisibleText text={of(agent)} max={200} />,
});

/** Every column that the list can have. */
export function agentColumns(time: TimeFormat): readonly GridColumn<AgentJson>[] {
  return [
    text('host', 'host', 190, ({ host }) => host),
    {
      id: 'state',
      name: 'state',
      size: 84,
      cell: ({ presence, revoked }) => <State state={revoked === undefined ? presence.state : 'revoked'} />,
    },
    text('os', 'system', 240, ({ osName, osVersion }) => `${osName} ${osVersion}`),
    text('arch', 'arch', 80, ({ arch }) => arch),
    text('version', 'agent', 80, ({ agentVersion }) => agentVersion),
    text('labels', 'labels', 320, ({ labels }) =>
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(' '),
    ),
    text('gateway', 'gateway', 150, ({ presence }) => presence.gatewayId ?? ''),
    text('connected', 'connected since', 170, ({ presence }) =>
      presence.connectedAt === undefined ? '' : time.full(presence.connectedAt),
    ),
    text('seen', 'last seen', 170, ({ presence }) =>
      presence.lastSeenAt === undefined ? '' : time.full(presence.lastSeenAt),
    ),
    text('enrolled', 'enrolled', 170, ({ enrolledAt }) => time.full(enrolledAt)),
    text('id', 'agent id', 210, ({ agentId }) => agentId),
  ];
}

const WORDS: Readonly<Record<string, string>> = { offline: 'away' };

export function State({ state }: { state: string }) {
  return (
    <span className={styles['state']} data-state={state}>
      {WORDS[state] ?? state}
    </span>
  );
}
