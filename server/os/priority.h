/* Who goes first where there are more threads than cores. */
#ifndef LOSSD_PRIORITY_H
#define LOSSD_PRIORITY_H

/*
 * The calling thread, and the threads that it starts from now on, give way to the others of the
 * process: those that serve connections have little to do at a time, and somebody who waits for it.
 * They still get a good part of the cores. Nothing happens where the system has no priorities of
 * threads.
 */
void priority_lower(void);

#endif
