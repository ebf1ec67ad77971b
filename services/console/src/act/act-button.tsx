import { lazy, Suspense, useState } from 'react';
import { useCan } from '../session/session.js';
import { Button } from '../ui/controls.js';
import type { ActTarget } from './target.js';

const ActPanel = lazy(() => import('./act-panel.js').then(({ ActPanel: component }) => ({ default: component })));

/** Begins an order for a target; not there for those who may not. */
export function ActButton({
  target,
  label = 'Act…',
  platforms,
}: {
  target: ActTarget;
  label?: string;
  platforms?: readonly string[];
}) {
  const can = useCan();
  const [isOpen, setOpen] = useState(false);
  if (!can('commands:run')) return null;
  return (
    <>
      <Button small onPress={() => setOpen(true)}>
        {label}
      </Button>
      {isOpen && (
        <Suspense>
          <ActPanel target={target} platforms={platforms ?? []} onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
