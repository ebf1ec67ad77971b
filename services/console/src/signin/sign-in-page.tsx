import { useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { tellTabs } from '../session/reauthentication.js';
import { Empty } from '../ui/notice.js';
import { SignIn } from './sign-in.js';

/** `/sign-in`: where links of sign-in and the identity provider lead. */
export function SignInPage() {
  const navigate = useNavigate();
  if (new URLSearchParams(globalThis.location.search).get('again') === 'done') return <SignedInAgain />;
  return <SignIn onDone={() => void navigate({ to: '/ask', replace: true })} />;
}

/** The end of the provider's window: the page that opened it goes on. */
function SignedInAgain() {
  useEffect(() => {
    tellTabs();
    globalThis.close();
  }, []);
  return (
    <Empty title="You have signed in again">
      <p>The page that asked for it goes on. This window can be closed.</p>
    </Empty>
  );
}
