using Xunit;

namespace Rollout.Gpu.Tests.Training.Losses;

/// <summary>A test of golden losses, skipped where their file is not at hand.</summary>
public sealed class GoldenFactAttribute : FactAttribute
{
    /// <summary>In shared/.</summary>
    internal const string File = "fixtures/grpo/golden.json";

    public GoldenFactAttribute() => Skip = TestFiles.WhyMissing(File);
}

/// <inheritdoc cref="GoldenFactAttribute"/>
public sealed class GoldenTheoryAttribute : TheoryAttribute
{
    public GoldenTheoryAttribute() => Skip = TestFiles.WhyMissing(GoldenFactAttribute.File);
}
