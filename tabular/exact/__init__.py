"""What a policy visits and earns, exactly: occupancies, values, policies, model fits, certified linear solves."""
