import { useState } from 'react';
import { Button } from './controls.js';
import styles from './confirm-button.module.css';

/** Deletes something, in two presses: the second one is on a button that says what it is. */
export function ConfirmButton({
  what,
  note,
  isDisabled = false,
  onConfirm,
}: {
  what: string;
  /** What follows from it. */
  note?: string;
  isDisabled?: boolean;
  onConfirm: () => void;
}) {
  const [isAsking, setAsking] = useState(false);
  if (!isAsking)
    return (
      <span>
        <Button small look="danger" isDisabled={isDisabled} onPress={() => setAsking(true)}>
          {what}…
        </Button>
      </span>
    );
  return (
    <span className={styles['confirm']} role="group" aria-label={what}>
      {note}
      <Button
        small
        look="danger"
        isDisabled={isDisabled}
        onPress={() => {
          setAsking(false);
          onConfirm();
        }}
      >
        {what}
      </Button>
      <Button small autoFocus onPress={() => setAsking(false)}>
        Keep it
      </Button>
    </span>
  );
}
