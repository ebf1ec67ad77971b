import { useNavigate } from '@tanstack/react-router';
import { SignIn } from './sign-in.js';

/** `/sign-in`: where links of sign-in and the identity provider lead. */
export function SignInPage() {
  const navigate = useNavigate();
  return <SignIn onDone={() => void navigate({ to: '/ask', replace: true })} />;
}
