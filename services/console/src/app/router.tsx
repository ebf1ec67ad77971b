import { createRootRoute, createRoute, createRouter, redirect, type ErrorComponentProps } from '@tanstack/react-router';
import { SignInPage } from '../signin/sign-in-page.js';
import { ReloadNotice } from '../ui/lazy-part.js';
import { Empty } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { COMPONENTS } from './pages.js';
import { Shell } from './shell.js';

/** The addresses of the console. */
export function makeRouter() {
  const root = createRootRoute({ notFoundComponent: NoPage });
  const signIn = createRoute({ getParentRoute: () => root, path: '/sign-in', component: SignInPage });
  const shell = createRoute({ getParentRoute: () => root, id: 'shell', component: Shell });
  const page = (path: string, component: (typeof COMPONENTS)[keyof typeof COMPONENTS]) =>
    createRoute({ getParentRoute: () => shell, path, component });
  const index = createRoute({
    getParentRoute: () => shell,
    path: '/',
    beforeLoad: () => redirect({ to: '/ask', throw: true }),
  });
  // One component for a new question and for a result, so that the form stays as it is.
  const ask = page('ask', COMPONENTS.ask);
  const result = createRoute({ getParentRoute: () => ask, path: '$queryId' });
  const commands = page('commands', COMPONENTS.commands);
  const command = createRoute({ getParentRoute: () => commands, path: '$commandId' });
  const scans = page('scans', COMPONENTS.scans);
  const scan = createRoute({ getParentRoute: () => scans, path: '$scanId' });
  const routes = shell.addChildren([
    index,
    ask.addChildren([result]),
    page('fleet', COMPONENTS.fleet),
    page('fleet/$agentId', COMPONENTS.endpoint),
    commands.addChildren([command]),
    scans.addChildren([scan]),
    page('hunts', COMPONENTS.hunts),
    page('bandwidth', COMPONENTS.bandwidth),
    page('audit', COMPONENTS.audit),
    page('settings', COMPONENTS.settings),
  ]);
  return createRouter({
    routeTree: root.addChildren([signIn, routes]),
    defaultPreload: 'intent',
    defaultPendingMs: 400,
    defaultNotFoundComponent: NoPage,
    defaultErrorComponent: PageFailure,
  });
}

/** In place of a page that cannot be loaded or drawn; what is around it stays. */
function PageFailure({ error }: ErrorComponentProps) {
  return (
    <Empty title="This page cannot be shown">
      <ReloadNotice />
      <p>
        <VisibleText text={String(error instanceof Error ? error.message : error)} max={500} />
      </p>
    </Empty>
  );
}

function NoPage() {
  return (
    <Empty title="There is no such page">
      <p>The address may be mistyped, or the page may be from another version of the console.</p>
    </Empty>
  );
}
