import { useState } from 'react';
import type { FleetTarget } from '../act/fleet-target.js';
import { plural } from '../text/numbers.js';
import { Button } from '../ui/controls.js';
import { Failure, Waiting } from '../ui/notice.js';
import { NumberField } from '../ui/number-field.js';
import { isConfirmed } from '../ui/typed-number.js';
import { useReach } from './use-reach.js';

/** The last step of what is done with endpoints of the fleet: says with how many, and has the number typed where there are many. */
export function FleetConfirm({
  target,
  what,
  isDisabled,
  onConfirm,
}: {
  target: FleetTarget;
  /** What is done: `Set labels of`, followed by the endpoints. */
  what: string;
  isDisabled: boolean;
  onConfirm: () => void;
}) {
  const [typed, setTyped] = useState('');
  const reach = useReach(target);
  if (reach.count === undefined)
    return reach.error === null ? (
      <Waiting what="Counting endpoints…" />
    ) : (
      <Failure error={reach.error} onRetry={reach.again} />
    );
  return (
    <>
      <NumberField reach={reach} what={['to do it for', 'endpoints']} typed={typed} onTyped={setTyped} />
      <Button look="primary" isDisabled={isDisabled || !isConfirmed(reach, typed)} onPress={onConfirm}>
        {what} {plural(reach.count, 'endpoint')}
      </Button>
    </>
  );
}
