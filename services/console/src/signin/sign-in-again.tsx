import { useMutation, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { client } from '../api/client.js';
import { endWaitingAs, giveUpWaiting, onOtherTabs, tellTabs } from '../session/reauthentication.js';
import type { Me } from '../session/session.js';
import { Button, TextField } from '../ui/controls.js';
import { Failure, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './sign-in.module.css';
import { useWays } from './use-ways.js';

/** Where the provider's window leads in the end. */
const DONE = '/sign-in?again=done';

/**
 * What the policy asks for before some actions: to prove again who one is. Then the page goes on with what it was about
 * to send. Another tab may do it as well. What waits goes on by the person who made it alone: where somebody else signs
 * in, it fails.
 */
export function SignInAgain({ me }: { me: Me }) {
  useEffect(() => {
    const look = async (): Promise<void> => endWaitingAs(await client.call('GET /v1/me'));
    return onOtherTabs(() => void look());
  }, []);
  return (
    <Panel kind="dialog" isRole="alertdialog" title="Sign in again" onClose={giveUpWaiting}>
      <div className={styles['form']}>
        <p>
          What you are about to do needs a recent sign-in of <VisibleText text={me.name} max={60} />. Then it is sent as
          it is.
        </p>
        {me.kind === 'oidc' ? <AtProvider /> : <ByToken />}
      </div>
    </Panel>
  );
}

/** In a window of its own, so that this page stays as it is. */
function AtProvider() {
  const { oidc } = useWays() ?? {};
  if (oidc === undefined) return <Waiting what="Looking for the identity provider…" />;
  const address = `${oidc.start}?again=true&to=${encodeURIComponent(DONE)}`;
  return (
    <Button
      look="primary"
      autoFocus
      onPress={() => globalThis.open(address, 'muster-sign-in', 'popup,width=520,height=680')}
    >
      Sign in with {oidc.name}
    </Button>
  );
}

function ByToken() {
  const [token, setToken] = useState('');
  const session = useQuery({
    queryKey: ['session'],
    queryFn: ({ signal }) => client.call('GET /v1/session', { signal }),
  });
  const prove = useMutation({
    mutationFn: () => client.call('POST /v1/session/reauthenticate', { body: { token: token.trim() } }),
    onSuccess: ({ principal }) => {
      // Of the session as it is now, which may be somebody else's than this dialog says.
      endWaitingAs(principal);
      tellTabs();
    },
  });
  return (
    <form
      className={styles['form']}
      onSubmit={(event) => {
        event.preventDefault();
        if (token.trim() !== '') prove.mutate();
      }}
    >
      <TextField
        label="Operator token"
        type="password"
        name="token"
        autoComplete="off"
        placeholder="mst_…"
        autoFocus
        value={token}
        onChange={setToken}
        hint={
          session.data?.via === 'link'
            ? 'Or open a new link in this browser (muster console): this page then goes on.'
            : 'The one of this session.'
        }
      />
      <Button type="submit" look="primary" isDisabled={prove.isPending || token.trim() === ''}>
        {prove.isPending ? 'Signing in…' : 'Sign in and go on'}
      </Button>
      {prove.error !== null && <Failure error={prove.error} />}
    </form>
  );
}
