import type { TokenJson } from '@muster/api-contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { Button, Select, TextField } from '../ui/controls.js';
import { Failure, Notice, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { Table } from './table.js';
import styles from './settings.module.css';

const ROLES = ['viewer', 'analyst', 'responder', 'admin'].map((id) => ({ id, label: id }));
const LIVES = ['12h', '30d', '90d', '365d'].map((id) => ({ id, label: `for ${id}` }));
type Role = TokenJson['role'];

/** Operator tokens: make one, which is shown once; revoke others. */
export function Tokens() {
  const queryClient = useQueryClient();
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('analyst');
  const [life, setLife] = useState('90d');
  const again = { onSuccess: () => queryClient.invalidateQueries({ queryKey: ['tokens'] }) };
  const tokens = useQuery({
    queryKey: ['tokens'],
    queryFn: ({ signal }) => client.all('GET /v1/tokens', { signal }),
  });
  const create = useMutation({
    mutationFn: () =>
      client.call('POST /v1/tokens', {
        body: { name: name.trim(), role, expiresIn: life },
        idempotencyKey: crypto.randomUUID(),
      }),
    ...again,
  });
  const revoke = useMutation({
    mutationFn: (id: string) => client.call('DELETE /v1/tokens/{id}', { params: { id } }),
    ...again,
  });
  const error = tokens.error ?? create.error ?? revoke.error;
  return (
    <section className={styles['section']} aria-label="Tokens">
      <h2>Operator tokens</h2>
      <div className={styles['fields']}>
        <TextField label="Name" value={name} onChange={setName} />
        <Select label="Role" value={role} choices={ROLES} onChange={(id) => setRole(id as Role)} />
        <Select label="Valid" value={life} choices={LIVES} onChange={setLife} />
        <Button isDisabled={name.trim() === '' || create.isPending} onPress={() => create.mutate()}>
          Make a token
        </Button>
      </div>
      {create.data?.token !== undefined && (
        <Notice tone="warning">
          <span>
            Shown this once, and kept nowhere: <code>{create.data.token}</code>
          </span>
          <Button small onPress={() => create.reset()}>
            Hide
          </Button>
        </Notice>
      )}
      {error !== null && <Failure error={error} />}
      {tokens.data === undefined && tokens.error === null && <Waiting what="Reading tokens…" />}
      {tokens.data?.length === 0 && <p className={styles['note']}>There are none.</p>}
      {tokens.data !== undefined && tokens.data.length > 0 && (
        <Table heads={['name', 'role', 'bound', 'made', 'last used', 'expires', 'state', '#revoke']}>
          {tokens.data.map((token) => (
            <TokenRow key={token.tokenId} token={token} onRevoke={() => revoke.mutate(token.tokenId)} />
          ))}
        </Table>
      )}
    </section>
  );
}

function TokenRow({ token, onRevoke }: { readonly token: TokenJson; readonly onRevoke: () => void }) {
  const time = useTime();
  return (
    <tr>
      <td>
        <VisibleText text={token.name} max={80} />
      </td>
      <td>{token.role}</td>
      <td>
        <VisibleText text={token.selector ?? ''} max={80} />
      </td>
      <td>{time.full(token.createdAt)}</td>
      <td>{token.lastUsedAt === undefined ? '' : time.full(token.lastUsedAt)}</td>
      <td>{token.expiresAt === undefined ? 'never' : time.full(token.expiresAt)}</td>
      <td>{token.state}</td>
      <td>
        {token.state === 'active' && (
          <Button small look="danger" onPress={onRevoke} aria-label={`Revoke ${token.name}`}>
            Revoke
          </Button>
        )}
      </td>
    </tr>
  );
}
