import { ApiProblem, type ProblemFields } from '@muster/api-client';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { client } from '../api/client.js';
import { describe } from '../api/problems.js';
import { tellTabs } from '../session/reauthentication.js';
import { useSignedIn } from '../session/session.js';
import { Button, TextField } from '../ui/controls.js';
import { Notice } from '../ui/notice.js';
import styles from './sign-in.module.css';
import { useWays } from './use-ways.js';

/** What the provider's answer may have failed with. */
const OIDC_ERRORS: Readonly<Record<string, string>> = {
  denied: 'The identity provider did not let you in.',
  expired: 'It took too long, or it was begun in another browser. Begin again.',
  role: 'You are known, and have no role here. Ask an admin for one.',
  failed: 'The answer of the identity provider could not be checked.',
  unavailable: 'The identity provider does not answer.',
  other: 'That was somebody else than who is signed in here. The session stays as it was.',
};

async function post(path: string, body: unknown): Promise<void> {
  const response = await client.fetch(path, { method: 'POST', body });
  if (response.ok) return;
  throw new ApiProblem(response.status, (await response.json().catch(() => ({}))) as ProblemFields);
}

/** The code of a one-time link. It leaves the address before anything else happens. */
function takeCode(): string | undefined {
  const code = /^#code=([\w.-]+)$/.exec(globalThis.location.hash)?.[1];
  if (code !== undefined) globalThis.history.replaceState(null, '', globalThis.location.pathname);
  return code;
}

/** Sign-in by token, one-time link, or an identity provider. */
export function SignIn({ isInline = false, onDone }: { isInline?: boolean; onDone?: () => void }) {
  const [token, setToken] = useState('');
  const [code] = useState(takeCode);
  const signedIn = useSignedIn();
  const enter = useMutation({
    mutationFn: (given: { readonly token: string } | { readonly code: string }) =>
      post('code' in given ? '/v1/session/exchange' : '/v1/session', given),
    onSuccess: async () => {
      setToken('');
      await signedIn();
      tellTabs();
      onDone?.();
    },
  });
  const { mutate } = enter;
  useEffect(() => {
    if (code !== undefined) mutate({ code });
  }, [code, mutate]);
  const failed = OIDC_ERRORS[new URLSearchParams(globalThis.location.search).get('error') ?? ''];
  const { oidc } = useWays() ?? {};
  const form = (
    <form
      className={styles['form']}
      onSubmit={(event) => {
        event.preventDefault();
        if (token.trim() !== '') mutate({ token: token.trim() });
      }}
    >
      {oidc !== undefined && (
        <Button
          look="primary"
          onPress={() => globalThis.location.assign(`${oidc.start}?to=${encodeURIComponent(target())}`)}
        >
          Sign in with {oidc.name}
        </Button>
      )}
      <TextField
        label="Operator token"
        type="password"
        name="token"
        autoComplete="off"
        placeholder="mst_…"
        autoFocus={oidc === undefined}
        value={token}
        onChange={setToken}
        hint="It is exchanged for a session of this browser, and kept nowhere."
      />
      <Button
        type="submit"
        look={oidc === undefined ? 'primary' : 'quiet'}
        isDisabled={enter.isPending || token.trim() === ''}
      >
        {enter.isPending ? 'Signing in…' : 'Sign in'}
      </Button>
      {enter.error !== null && (
        <Notice tone="danger">
          {code !== undefined && enter.variables !== undefined && 'code' in enter.variables
            ? 'This link was used before, or it is too old. Make another, or sign in by token.'
            : describe(enter.error)}
        </Notice>
      )}
      {failed !== undefined && enter.error === null && <Notice tone="danger">{failed}</Notice>}
    </form>
  );
  if (isInline) return form;
  return (
    <main className={styles['page']}>
      <h1>Muster</h1>
      {form}
    </main>
  );
}

/** Where to go after the provider: the page that was asked for. */
function target(): string {
  const { pathname } = globalThis.location;
  return pathname === '/sign-in' ? '/ask' : pathname;
}
