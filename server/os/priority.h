/* Who gets a core when there are more threads than cores. */
#ifndef LOSSD_PRIORITY_H
#define LOSSD_PRIORITY_H

/*
 * The calling thread, and those that it starts from now on, are for what is short and urgent: when
 * there is something to do they get a core at once, for a part of a millisecond at a time, before
 * those that compute for long. Their share of the cores is as before. Nothing happens where the
 * system knows no such thing (Linux from 6.12 on does).
 */
void priority_prompt(void);
/* As any thread; also for those that it starts from now on. */
void priority_usual(void);

#endif
