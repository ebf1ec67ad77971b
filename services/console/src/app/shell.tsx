import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { isSignedOut, useMe, useSessionEnded, useSignedIn, useStreamSignedOut, type Me } from '../session/session.js';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { usePreferences, setPreferences } from '../preferences/preferences.js';
import { useApprovals } from '../session/use-approvals.js';
import { onOtherTabs, useSignInWanted } from '../session/reauthentication.js';
import { SignIn } from '../signin/sign-in.js';
import { SignInAgain } from '../signin/sign-in-again.js';
import { useLink } from '../stream/use-stream.js';
import { Failure, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import { Help } from './help.js';
import { PAGES } from './pages.js';
import { Palette } from './palette.js';
import { useKeys } from './use-keys.js';
import styles from './shell.module.css';

/** What is around every page: navigation, who one is, how the stream stands, palette, help. */
export function Shell() {
  const { me, error, isPending } = useMe();
  const queryClient = useQueryClient();
  if (me !== undefined) return <Signed me={me} />;
  if (isPending) return <Waiting what="Opening the console…" />;
  if (isSignedOut(error)) return <SignIn />;
  return <Failure error={error} onRetry={() => void queryClient.invalidateQueries()} />;
}

function Signed({ me }: { me: Me }) {
  const [open, setOpen] = useState<'palette' | 'help'>();
  const hasEnded = useSessionEnded();
  const isSignInWanted = useSignInWanted();
  const signedIn = useSignedIn();
  useStreamSignedOut();
  // Of what another tab has signed in to, this one has the session too.
  useEffect(() => onOtherTabs(() => void signedIn()), [signedIn]);
  useKeys({ onPalette: () => setOpen('palette'), onHelp: () => setOpen('help') });
  const approvals = useApprovals();
  // On a phone the last pages are beyond the edge.
  const rail = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  useEffect(() => rail.current?.querySelector('[aria-current=page]')?.scrollIntoView({ block: 'nearest' }), [pathname]);
  const pages = PAGES.filter(({ permission }) => permission === '' || me.permissions.includes(permission));
  return (
    <div className={styles['shell']}>
      <a className={styles['skip']} href="#main">
        Skip to the page
      </a>
      <nav className={styles['rail']} aria-label="Pages" ref={rail}>
        <div className={styles['brand']}>
          <Mark />
          <span>Muster</span>
        </div>
        {pages.map(({ path, name }) => (
          <Link key={path} to={path} className={styles['link'] ?? ''}>
            {name}
            {path === '/commands' && approvals > 0 && (
              <span className={styles['count']}>
                {approvals}
                <span className="vh"> waiting for your approval</span>
              </span>
            )}
          </Link>
        ))}
        <span className={styles['space']} />
        <Foot me={me} onPalette={() => setOpen('palette')} onHelp={() => setOpen('help')} />
      </nav>
      <main id="main" className={styles['main']} tabIndex={-1}>
        <Outlet />
      </main>
      {open === 'palette' && <Palette pages={pages} onClose={() => setOpen(undefined)} />}
      {open === 'help' && <Help onClose={() => setOpen(undefined)} />}
      {isSignInWanted && !hasEnded && <SignInAgain me={me} />}
      {hasEnded && (
        <Panel kind="dialog" isRole="alertdialog" title="Your session has ended">
          <p>Sign in again. The page stays as it is.</p>
          <SignIn isInline />
        </Panel>
      )}
    </div>
  );
}

function Foot({ me, onPalette, onHelp }: { me: Me; onPalette: () => void; onHelp: () => void }) {
  const link = useLink();
  const time = useTime();
  const { theme } = usePreferences();
  const signOut = useSignOut();
  const isDark = document.documentElement.dataset['theme'] === 'dark';
  const words = { idle: 'nothing followed', open: 'live', lost: 'stale', signed_out: 'signed out' };
  return (
    <div className={styles['foot']} data-theme-set={theme}>
      <span className={styles['link-state']} data-state={link.state} role="status">
        {link.state === 'lost' ? `stale since ${time.clock(link.since)}` : words[link.state]}
      </span>
      <button type="button" className={styles['small']} onClick={onPalette}>
        Search… Ctrl K
      </button>
      <button type="button" className={styles['small']} onClick={onHelp}>
        Keys ?
      </button>
      <button
        type="button"
        className={styles['small']}
        onClick={() => setPreferences({ theme: isDark ? 'light' : 'dark' })}
      >
        {isDark ? 'Light' : 'Dark'}
      </button>
      <span className={styles['who']} title={`${me.role} of ${me.org}`}>
        <VisibleText text={me.name} max={40} />
      </span>
      <button type="button" className={styles['small']} disabled={signOut.isPending} onClick={() => signOut.mutate()}>
        Sign out
      </button>
      {signOut.error !== null && (
        <Panel kind="dialog" isRole="alertdialog" title="You are still signed in" onClose={signOut.reset}>
          <p>The server did not end the session: whoever uses this browser can still use it.</p>
          <Failure error={signOut.error} onRetry={() => signOut.mutate()} />
        </Panel>
      )}
    </div>
  );
}

/** Ends the session. The page shows the sign-in only when the server has ended it, or knows it no more. */
function useSignOut() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: async () => {
      try {
        await client.call('DELETE /v1/session');
      } catch (error) {
        if (!isSignedOut(error)) throw error;
      }
    },
    onSuccess: () => {
      queryClient.clear();
      globalThis.location.assign('/sign-in');
    },
  });
}

export function Mark() {
  return (
    <svg
      viewBox="0 0 16 16"
      aria-hidden="true"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
    >
      <path d="M2.5 13.5v-9M6.2 13.5v-5M9.8 13.5v-8M13.5 13.5v-11" />
    </svg>
  );
}
