//! Taking the writer's role off this host: freeze, thaw, fence, open.
