"""What a policy is worth: episodes in the environment, certificates, visited states, video."""
