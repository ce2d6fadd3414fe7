/* `lossd health`: asks a running server whether it is ready, for what watches it: containers,
 * scripts, service managers. */
#ifndef LOSSD_HEALTH_H
#define LOSSD_HEALTH_H

/* argv[0] is "health". 0: it is; 1: it is not, or can not be reached in time; 2: the command is
 * wrong. A line on standard error says what, of 1 and 2. */
int health_main(int argc, char **argv);

#endif
