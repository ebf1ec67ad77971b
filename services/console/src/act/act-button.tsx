import { Suspense, useState } from 'react';
import { useCan } from '../session/session.js';
import { Button } from '../ui/controls.js';
import { lazyPart } from '../ui/lazy-part.js';
import type { ActTarget } from './target.js';

const ActPanel = lazyPart(() => import('./act-panel.js').then(({ ActPanel: component }) => component));

/** Begins a command for a target; not there for those who may not. The target is read when the button is pressed, and is then fixed. */
export function ActButton({
  target,
  label = 'Act…',
  platforms,
}: {
  target: ActTarget | (() => Promise<ActTarget>);
  label?: string;
  platforms?: readonly string[];
}) {
  const can = useCan();
  const [fixed, setFixed] = useState<ActTarget>();
  if (!can('commands:run')) return null;
  const open = async (): Promise<void> => setFixed(typeof target === 'function' ? await target() : target);
  return (
    <>
      <Button small onPress={() => void open()}>
        {label}
      </Button>
      {fixed !== undefined && (
        <Suspense>
          <ActPanel target={fixed} platforms={platforms ?? []} onClose={() => setFixed(undefined)} />
        </Suspense>
      )}
    </>
  );
}
