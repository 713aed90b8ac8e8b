using Xunit;

namespace Rollout.Host.Tests.Support;

/// <summary>A test that needs files which do not travel with the repository; skipped where they are absent.</summary>
public sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute(params string[] paths) => Skip = TestFiles.WhyMissing(paths is [] ? GoldenCase.Fixtures : paths);
}

/// <inheritdoc cref="SharedFactAttribute"/>
public sealed class SharedTheoryAttribute : TheoryAttribute
{
    public SharedTheoryAttribute(params string[] paths) => Skip = TestFiles.WhyMissing(paths is [] ? GoldenCase.Fixtures : paths);
}
