/* `lossd merge`: totals of parts of a data set, evaluated with totals="exact", become one. */
#ifndef LOSSD_CLI_MERGE_H
#define LOSSD_CLI_MERGE_H

/* argv[0] is "merge". Returns the exit status: 0; 1 when a state is wrong; 2 when the command or a
 * file is. */
int merge_main(int argc, char **argv);

#endif
