/* Built with the flags of this instruction set: see the Makefile. */
#include "functions.h"
