/* The table of instruction sets, best first; the last entry runs everywhere. */
#include "loss.h"

static const char *const isa_table[] = {"base"};

const char *loss_isa(void)
{
	return isa_table[0];
}
