# SPDX-License-Identifier: GPL-2.0-only
#
# Verbs only: each is a script under scripts/. The knobs (BASE, SERIES, ...) reach
# it through the environment, whether they stand before or behind "make".

SHELL := /bin/bash
.NOTPARALLEL:
.DEFAULT_GOAL := help

VERBS := run check compare report lint bisect mutants fuzz faults cover soak bench export test exec shell tree tree-path refresh setup doctor fetch build install
.PHONY: help $(VERBS) $(VERBS:%=.run-%)

# Said here and not by a rule, because for a folder's name (tests, docs) make would
# find nothing to be done.
unknown := $(filter-out help $(VERBS),$(MAKECMDGOALS))
$(if $(unknown),$(error no verb '$(firstword $(unknown))'; 'make help' lists the verbs))

# A knob that does not exist would be ignored, and something else be tested.
knobs := JOBS $(shell sed -n 's/^knob_names=(\(.*\))/\1/p' scripts/lib.sh)
given := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
unknown := $(filter-out $(knobs) -% MAKE%,$(given))
$(if $(unknown),$(error no knob '$(firstword $(unknown))'; known: $(knobs)))

# make exits 2 whatever a recipe returns. This plugin lets it exit with the code
# of the verb; without a compiler (a machine before "make setup") 2 stays.
# "exit_as_verb" comes from it.
-load build/make-exit.so(exit_as_verb_setup)

build/make-exit.so: scripts/make-exit.c
	@mkdir -p build
	@gcc -shared -fPIC -O2 -Wall -Wextra -o $@.$$PPID $< 2>/dev/null && mv $@.$$PPID $@ || rm -f $@.$$PPID

# Two rules a verb, because make expands a whole recipe before it runs its first
# line: the first runs the script, the second exits as it did. The code travels in
# memory, for a full disk has an exit code, too. setpriv: when make is stopped, it
# stops its shell only; the script must not go on alone.
EXIT := /dev/shm/kvm-gmem-flags.exit
$(VERBS:%=.run-%): .run-%:
	@setpriv --pdeathsig TERM scripts/$*.sh; echo $$? >$(EXIT).$$PPID

$(VERBS): %: .run-%
	@$(exit_as_verb $(EXIT))rc=$$(<$(EXIT).$$PPID); rm -f $(EXIT).$$PPID; exit $$rc

help:
	@scripts/help.sh
