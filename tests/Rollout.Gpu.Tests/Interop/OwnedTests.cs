using Rollout.Gpu.Interop;
using Xunit;

namespace Rollout.Gpu.Tests.Interop;

public sealed class OwnedTests
{
    [Fact]
    public void A_failed_constructor_disposes_of_what_it_created_last_first()
    {
        var disposed = new List<string>();

        Assert.Throws<InvalidOperationException>(() => Build(disposed, fails: true));

        Assert.Equal(["second", "first"], disposed);
    }

    [Fact]
    public void A_constructor_that_succeeds_disposes_of_nothing()
    {
        var disposed = new List<string>();

        Build(disposed, fails: false);

        Assert.Empty(disposed);
    }

    private static void Build(List<string> disposed, bool fails)
    {
        using var owned = new Owned();
        owned.Add(new Part("first", disposed));
        owned.Add(new Part("second", disposed));
        if (fails)
            throw new InvalidOperationException("The third part cannot be made.");
        owned.Keep();
    }

    private sealed class Part(string name, List<string> disposed) : IDisposable
    {
        public void Dispose() => disposed.Add(name);
    }
}
