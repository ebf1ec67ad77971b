import { ApiProblem } from '@muster/api-client';
import type { PackCheckJson, ScanEndpointJson, ScanJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import { client } from '../api/client.js';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { useTime } from '../preferences/time.js';
import { Empty, Failure, Notice, Waiting } from '../ui/notice.js';
import { readEvidence } from '../scans/evidence.js';
import { rankOf } from '../scans/outcomes.js';
import { Severity } from '../ui/severity.js';
import { VisibleText } from '../ui/visible-text.js';
import { titleWithout } from './findings-title.js';
import { newestByPack } from './newest-scans.js';
import styles from './endpoint.module.css';

const LOOKED_AT = 50;

/** What a check says of this endpoint, in the newest scan of its pack that asked it. */
interface Finding {
  readonly scan: Pick<ScanJson, 'id' | 'pack' | 'endedAt'>;
  readonly said: ScanEndpointJson;
  readonly check: PackCheckJson | undefined;
}

interface Findings {
  readonly items: readonly Finding[];
  /** Scans that may have asked it. */
  readonly scans: number;
  readonly passes: number;
  /** No scan left anything out. */
  readonly isWhole: boolean;
  /** No kept scan was passed over. */
  readonly isAll: boolean;
}

/** The checks that this endpoint fails, or that have no verdict on it, by the newest scan of each pack that may have asked it. */
export function EndpointFindings({ agentId }: { agentId: string }) {
  const time = useTime();
  const navigate = useNavigate();
  const findings = useQuery({
    queryKey: ['findings', agentId],
    queryFn: ({ signal }) => findingsOf(agentId, signal),
  });
  const columns = useMemo<readonly GridColumn<Finding>[]>(
    () => [
      {
        id: 'severity',
        name: 'severity',
        size: 84,
        cell: ({ check }) => (check === undefined ? '' : <Severity severity={check.severity} />),
      },
      {
        id: 'outcome',
        name: 'outcome',
        size: 130,
        cell: ({ said: { outcome, exception } }) =>
          `${outcome.replaceAll('_', ' ')}${exception === undefined ? '' : ', excepted'}`,
      },
      {
        id: 'title',
        name: 'what is right when it passes',
        size: 380,
        cell: ({ check, said }) => <VisibleText text={check?.title ?? said.check ?? ''} max={200} />,
      },
      {
        id: 'evidence',
        name: 'what it says',
        size: 320,
        isMono: true,
        cell: ({ said: { reason, evidence } }) => <VisibleText text={reason ?? textOf(evidence)} max={300} />,
      },
      { id: 'pack', name: 'pack', size: 140, cell: ({ scan }) => scan.pack.id },
      {
        id: 'at',
        name: 'scanned',
        size: 168,
        cell: ({ scan: { endedAt } }) => (endedAt === undefined ? '' : time.full(endedAt)),
      },
    ],
    [time],
  );
  const { data } = findings;
  const title = data === undefined ? undefined : titleWithout({ ...data, findings: data.items.length });
  return (
    <>
      {findings.error !== null && <Failure error={findings.error} onRetry={() => void findings.refetch()} />}
      {data === undefined && findings.error === null && <Waiting what="Reading findings…" />}
      {data?.isWhole === false && (
        <Notice tone="warning">A scan kept only some endpoints of what is equal: this may not be everything.</Notice>
      )}
      {title !== undefined && (
        <Empty title={title}>{data?.scans === 0 && <p>Scan it, or run a pack on a selection that it is in.</p>}</Empty>
      )}
      {data !== undefined && data.items.length > 0 && (
        <div className={styles['list']}>
          <Grid
            label="Findings of this endpoint"
            columns={columns}
            length={data.items.length}
            rowAt={(place) => data.items[place]}
            onOpen={({ scan, said }) =>
              void navigate({
                to: '/scans/$scanId',
                params: { scanId: scan.id },
                search: { check: said.check } as never,
              })
            }
          />
        </div>
      )}
      {data?.isAll === false && (
        <p className={styles['soft']}>Only the newest scans were looked at; older ones are under Scans.</p>
      )}
    </>
  );
}

async function findingsOf(agentId: string, signal: AbortSignal): Promise<Findings> {
  const { items: scans, nextCursor } = await client.call('GET /v1/scans', { query: { limit: LOOKED_AT }, signal });
  const { found: asked, isAll } = await newestByPack(scans, ({ id }) => {
    const query = { agent: agentId };
    return orGone(client.call('GET /v1/scans/{id}/endpoints', { params: { id }, query, signal }));
  });
  const found = await Promise.all(
    asked.map(async ({ scan, told: { items } }) => {
      const pack = await orGone(client.call('GET /v1/packs/{id}', { params: { id: scan.pack.id }, signal }));
      const checks = new Map((pack?.contents ?? []).map((check) => [check.id, check]));
      return items
        .filter(({ outcome }) => outcome !== 'pass' && outcome !== 'not_applicable')
        .map((said): Finding => ({ scan, said, check: checks.get(said.check ?? '') }));
    }),
  );
  return {
    items: found.flat().toSorted(worstFirst),
    scans: asked.length,
    passes: asked.flatMap(({ told }) => told.items).filter(({ outcome }) => outcome === 'pass').length,
    isWhole: asked.every(({ told }) => told.isWhole),
    isAll: isAll && nextCursor === undefined,
  };
}

/** `undefined`: it is not kept any more. */
async function orGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiProblem && (error.code === 'results_expired' || error.code === 'not_found'))
      return undefined;
    throw error;
  }
}

/** What fails before what has no verdict, the most severe before the others. */
function worstFirst(one: Finding, other: Finding): number {
  return groupOf(one) - groupOf(other) || severityOf(other) - severityOf(one);
}

const severityOf = ({ check }: Finding): number => rankOf(check?.severity ?? '');

function groupOf({ said: { outcome, exception } }: Finding): number {
  if (outcome !== 'fail') return 2;
  return exception === undefined ? 0 : 1;
}

/** The evidence on one line. */
function textOf(said: string | null): string {
  const evidence = readEvidence(said);
  if (typeof evidence === 'string') return evidence;
  const { columns, rows } = evidence;
  return rows.map((row) => columns.map((name, at) => `${name}=${row[at] ?? ''}`).join(' ')).join('; ');
}
