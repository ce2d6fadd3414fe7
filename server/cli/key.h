/* `lossd key new|list|remove`: the file of keys (keys/key_file.h), by hand. */
#ifndef LOSSD_CLI_KEY_H
#define LOSSD_CLI_KEY_H

/* argv[0] is "key". Returns the exit status: 0, or 2 with a line on standard error. */
int key_main(int argc, char **argv);

#endif
