import { useEffect, useRef, type ReactNode, type RefObject } from 'react';
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { Button } from './controls.js';
import styles from './panel.module.css';

/** A dialog over the page, or a drawer at its right side. Escape closes it. */
export function Panel({
  title,
  kind,
  isWide = false,
  isRole = 'dialog',
  onClose,
  children,
}: {
  title: ReactNode;
  kind: 'dialog' | 'drawer';
  isWide?: boolean;
  isRole?: 'dialog' | 'alertdialog';
  onClose?: (() => void) | undefined;
  children: ReactNode;
}) {
  const box = kind === 'drawer' ? styles['drawer'] : `${styles['dialog']} ${isWide ? styles['wide'] : ''}`;
  const inner = useRef<HTMLElement>(null);
  useEscapeWithoutFocus(inner, onClose);
  return (
    <ModalOverlay
      className={styles['veil'] ?? ''}
      data-kind={kind}
      isOpen
      isDismissable={onClose !== undefined}
      isKeyboardDismissDisabled={onClose === undefined}
      onOpenChange={(isOpen) => !isOpen && onClose?.()}
    >
      <Modal className={box ?? ''}>
        <AriaDialog ref={inner} className={styles['inner'] ?? ''} role={isRole}>
          <div className={styles['head']}>
            <Heading slot="title" level={2}>
              {title}
            </Heading>
            {onClose !== undefined && (
              <Button look="quiet" small onPress={onClose} aria-label="Close">
                ✕
              </Button>
            )}
          </div>
          <div className={styles['body']}>{children}</div>
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

/**
 * A button that is disabled while it works loses the focus, and the overlay hears no key any more: the dialog on top
 * closes all the same.
 */
function useEscapeWithoutFocus(inner: RefObject<HTMLElement | null>, onClose: (() => void) | undefined): void {
  useEffect(() => {
    if (onClose === undefined) return undefined;
    const close = ({ key }: KeyboardEvent): void => {
      const isTop = [...document.querySelectorAll('[role=dialog], [role=alertdialog]')].at(-1) === inner.current;
      if (key === 'Escape' && isTop && document.activeElement === document.body) onClose();
    };
    document.addEventListener('keydown', close);
    return () => document.removeEventListener('keydown', close);
  }, [inner, onClose]);
}
