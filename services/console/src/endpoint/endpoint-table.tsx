import { useMutation } from '@tanstack/react-query';
import { useEffect, useEffectEvent, useState } from 'react';
import { Results } from '../ask/results.js';
import { RowActions } from '../ask/row-actions.js';
import type { AskSearch } from '../ask/search.js';
import { useRows } from '../ask/use-rows.js';
import { client } from '../api/client.js';
import { useCan } from '../session/session.js';
import { Button } from '../ui/controls.js';
import { Failure, Notice, Waiting } from '../ui/notice.js';

/** A live table of one endpoint: an ordinary question beneath, asked when the table is opened and again on request. */
export function EndpointTable({ agentId, sql, empty }: { agentId: string; sql: string; empty?: string }) {
  const can = useCan();
  const ask = useMutation({
    mutationFn: () =>
      client.call('POST /v1/queries', {
        body: { sql, selector: `id=${agentId}`, timeout: '10s' },
        idempotencyKey: crypto.randomUUID(),
      }),
  });
  const first = useEffectEvent(() => {
    if (can('queries:run')) ask.mutate();
  });
  useEffect(() => first(), [agentId, sql]);
  if (!can('queries:run')) return <Notice>Your role may not ask endpoints.</Notice>;
  if (ask.error !== null) return <Failure error={ask.error} onRetry={() => ask.mutate()} />;
  if (ask.data === undefined) return <Waiting what="Asking the endpoint…" />;
  return <Table key={ask.data.id} queryId={ask.data.id} none={empty} onAgain={() => ask.mutate()} />;
}

function Table({ queryId, none, onAgain }: { queryId: string; none: string | undefined; onAgain: () => void }) {
  const [search, setSearch] = useState<AskSearch>({});
  const reading = useRows(queryId);
  if (reading === undefined) return null;
  const { source, rows } = reading;
  return (
    <Results
      source={source}
      rows={rows}
      search={search}
      onSearch={setSearch}
      rowActions={(line) => <RowActions line={line} rows={rows} />}
      actions={
        <Button small onPress={onAgain}>
          Ask again
        </Button>
      }
      none={none}
      isCompact
    />
  );
}
